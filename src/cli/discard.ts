import type { Command } from 'commander'
import { reasonOf, type FailureReason } from '../inbox/dead-letters.ts'
import { FOUND_SOMETHING_WRONG, USED_WRONGLY, type CommandContext } from './command-context.ts'
import { describeExamples, typed } from './command-line.ts'
import { checkHandlers, handlersOption, INBOX, jsonOption } from './delivery-options.ts'
import { escapeText, jsonLine } from './escape-text.ts'
import { describeMissing, findDeliveries } from './find-deliveries.ts'
import { reportWrongUse, useDeliveries, type OpenDeliveries } from './open-deliveries.ts'
import { text } from './option-values.ts'
import { formatTable } from './print-table.ts'

interface DiscardOptions {
  readonly handler?: readonly string[]
  readonly yes?: true
  readonly json?: true
}

interface DeadLetter {
  readonly jobId: string
  readonly id: string | null
  /** `null`: no handler was given it. */
  readonly handler: string | null
  readonly reason: FailureReason
}

const ID_CHARACTERS = 40
const help = (context: CommandContext) => `
What is removed cannot be replayed any more, and the provider sending it again is still answered as a duplicate. A body
that handlers have had goes after KEEP_COMPLETED; to erase an analysis or a call at once: ${typed(context, 'forget', 'ID')}

${describeExamples(context, [
  ['discard', 'ID', 'shows what would be removed'],
  ['discard', 'ID --yes', 'removes it'],
  ['discard', 'JOB-ID --handler crm --yes', 'removes only what crm gave up'],
])}
Exit code 0: removed (also when nothing was dead), 1: an ID was not found, or Redis cannot be used, 2: wrong options,
or --yes is missing.
`

/** Adds `discard`, which removes dead letters for good. */
export function addDiscardCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('discard')
    .description('remove dead letters for good')
    .argument('<id...>', 'analysis or call ids, delivery ids or job ids')
    .addOption(handlersOption('only what this handler gave up, or inbox; repeatable'))
    .option('--yes', 'really remove them')
    .addOption(jsonOption('the outcome as one line of JSON'))
    .addHelpText('after', help(context))
  command.action((ids: readonly string[], options: DiscardOptions) =>
    reportWrongUse(command, async () => {
      const texts = ids.map(text)
      await useDeliveries(context.environment, (open) => discard(open, texts, options, context))
    }),
  )
}

async function discard(
  open: OpenDeliveries,
  ids: readonly string[],
  { handler: handlers = [], yes, json }: DiscardOptions,
  { write, setExitCode }: CommandContext,
): Promise<void> {
  await checkHandlers(open, handlers, { inboxToo: true })
  const { byText, missing } = await findDeliveries(open, ids)
  const all = await readDeadLetters(open, new Set([...byText.values()].flat()))
  const dead = all.filter(({ handler }) => handlers.length === 0 || handlers.includes(handler ?? INBOX))
  let removed = 0
  if (yes) {
    for (const { jobId, handler } of dead) if (await open.deliveries.discard(jobId, handler)) removed += 1
  }
  const found = dead.map((letter) => ({ ...letter, handler: letter.handler ?? INBOX }))
  if (json) write(jsonLine({ ok: missing.length === 0, removed, deadLetters: found, missing }))
  else write(describe(dead, removed, yes ?? false))
  process.stderr.write(missing.map(describeMissing).join(''))
  if (missing.length > 0) setExitCode(FOUND_SOMETHING_WRONG)
  else if (!yes && dead.length > 0) setExitCode(USED_WRONGLY)
}

async function readDeadLetters(
  { deliveries }: OpenDeliveries,
  jobIds: Iterable<string>,
): Promise<DeadLetter[]> {
  const dead: DeadLetter[] = []
  for (const jobId of jobIds) {
    const details = await deliveries.show(jobId)
    for (const { handler, state, failure } of details?.jobs ?? []) {
      const id = details?.metadata?.id ?? null
      if (state === 'failed') dead.push({ jobId, id, handler, reason: reasonOf(failure) })
    }
  }
  return dead
}

function describe(dead: readonly DeadLetter[], removed: number, yes: boolean): string {
  if (dead.length === 0) return 'nothing of it is dead\n'
  const rows = dead.map(({ jobId, id, handler, reason }) => [
    escapeText(id ?? '-', ID_CHARACTERS),
    handler ?? INBOX,
    reason,
    jobId,
  ])
  const table = formatTable([['id', 'handler', 'reason', 'job id'], ...rows])
  if (!yes) return `${table}\nnothing was removed; add --yes to remove these ${dead.length} for good\n`
  const kept = dead.length - removed
  const note = kept > 0 ? `; ${kept} left: no longer dead, or a handler still needs the body` : ''
  return `${table}\nremoved ${removed}${note}\n`
}
