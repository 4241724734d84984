import type { Command } from 'commander'
import type { CommandContext } from './command-context.ts'
import { describeExamples } from './command-line.ts'
import { checkHandlers } from './delivery-options.ts'
import { reportWrongUse, useDeliveries } from './open-deliveries.ts'
import { text } from './option-values.ts'
import { checkReplayOptions, replayOptions, type ReplayOptions } from './replay-options.ts'
import { planReplayOf } from './replay-by-id.ts'
import { planFeed, planReplayOfHandlers } from './replay-plan.ts'
import { runReplay } from './replay-run.ts'

const help = (context: CommandContext) => `
With IDs a delivery goes to the handlers that gave it up, each with its whole number of attempts again. One
that no handler could be given (handler: inbox) goes to every handler that wants it. Handlers see context.replay
count up, and the same delivery.id as before.

${describeExamples(context, [
  ['replay', 'ID', 'the handlers that gave it up'],
  ['replay', 'ID --handler crm', 'crm, whether it gave it up, has done it or never had it'],
  ['replay', '--handler crm --since 2h', 'what crm has given up in the last two hours'],
  ['replay', '--every --dry-run', 'how many dead letters there are, and for whom'],
  ['replay', '--feed --handler new --since 1d', 'what was stored since yesterday and new never had'],
])}
Many at once: what is held back for a person to decide (conflict, stale) is left alone, unless --reason, --handler
inbox or --every asks for it. --feed reaches back as far as deliveries are stored (KEEP_COMPLETED), counts from when
they were received, and gives the handler every event, unless --event names the one it wants. A handler that never
had anything is fed without it: replay --handler new --since 1d.

Exit code 0: done (also when nothing was dead), 1: an ID was not found, or Redis cannot be used, 2: wrong options.
`

/** Adds `replay`, which lets handlers see deliveries again. */
export function addReplayCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('replay')
    .description('hand dead letters, or any stored delivery, to handlers again')
    .argument(
      '[id...]',
      'analysis or call ids, delivery ids or job ids; without one, see --handler, --since, --every',
    )
  for (const option of replayOptions()) command.addOption(option)
  command.addHelpText('after', help(context))
  command.action((ids: readonly string[], options: ReplayOptions) =>
    reportWrongUse(command, async () => {
      checkReplayOptions(ids.map(text), options)
      await useDeliveries(context.environment, async (open) => {
        await checkHandlers(open, options.handler ?? [], { inboxToo: ids.length === 0 && !options.feed })
        const makePlan = ids.length > 0 ? planReplayOf(ids) : options.feed ? planFeed : planReplayOfHandlers
        await runReplay(await makePlan(open, options), options, context)
      })
    }),
  )
}
