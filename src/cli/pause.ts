import type { Command } from 'commander'
import { setPaused, type PauseResult } from '../inbox/pause.ts'
import type { CommandContext } from './command-context.ts'
import { describeExamples, typed } from './command-line.ts'
import { checkHandlers, jsonOption } from './delivery-options.ts'
import { jsonLine } from './escape-text.ts'
import { reportWrongUse, useDeliveries } from './open-deliveries.ts'
import { text } from './option-values.ts'

const helpOfPause = (context: CommandContext) => `
What the handler is doing ends; everything else is kept and waits, whatever restarts, until it is resumed. Other
handlers and the receiving of webhooks go on.

${describeExamples(context, [
  ['pause', 'crm', 'while the CRM is being moved'],
  ['resume', 'crm', 'afterwards'],
])}
Exit code 0: it is paused (also when it was), 1: Redis cannot be used, 2: wrong options, or no such handler.
`

const helpOfResume = (context: CommandContext) => `
${describeExamples(context, [['resume', 'crm', 'lets it take what waits']])}
Exit code 0: it is not paused (any more), 1: Redis cannot be used, 2: wrong options, or no such handler.
`

/** Adds `pause` and `resume`, which stop the taking of a handler's jobs and let it go on. */
export function addPauseCommands(program: Command, context: CommandContext): void {
  const pause = program
    .command('pause')
    .description('let a handler take no more deliveries until it is resumed')
    .addHelpText('after', helpOfPause(context))
  const resume = program
    .command('resume')
    .description('let a paused handler go on')
    .addHelpText('after', helpOfResume(context))
  for (const [command, isPaused] of [
    [pause, true],
    [resume, false],
  ] as const) {
    command.argument('<handler>', 'its name', text).addOption(jsonOption('the outcome as one line of JSON'))
    command.action((handler: string, { json }: { readonly json?: true }) =>
      reportWrongUse(command, () =>
        useDeliveries(context.environment, async (open) => {
          await checkHandlers(open, [handler])
          const result = await setPaused(open.connection, handler, isPaused)
          const outcome = { ok: true, handler, paused: isPaused, ...result }
          context.write(json ? jsonLine(outcome) : describe(handler, isPaused, result, context))
        }),
      ),
    )
  }
}

function describe(
  handler: string,
  isPaused: boolean,
  { changed, waiting }: PauseResult,
  context: CommandContext,
): string {
  const verb = changed ? 'is' : 'was already'
  const jobs = `${waiting} ${waiting === 1 ? 'delivery waits' : 'deliveries wait'}`
  if (!isPaused) return `${handler} ${changed ? 'goes on' : 'was not paused'}; ${jobs}\n`
  return `${handler} ${verb} paused; ${jobs}; to go on: ${typed(context, 'resume', handler)}\n`
}
