import { InvalidArgumentError, Option, type Command } from 'commander'
import { countDead, LISTED_STATES, listJobs, type JobFilter } from '../inbox/listed-jobs.ts'
import { pausedHandlers } from '../inbox/pause.ts'
import type { CommandContext } from './command-context.ts'
import { describeExamples, typed } from './command-line.ts'
import { checkHandlers, checkSpan, jsonOption, pickOptions, type PickOptions } from './delivery-options.ts'
import { JOB_COLUMNS, jobObject, jobRow } from './describe-job.ts'
import { jsonLine } from './escape-text.ts'
import { reportWrongUse, useDeliveries, type OpenDeliveries } from './open-deliveries.ts'
import { text, wholeNumber } from './option-values.ts'
import { formatTable } from './print-table.ts'
import { addShowCommand } from './show.ts'

interface ListOptions extends PickOptions {
  readonly state: JobFilter['state']
  readonly handler?: string
  readonly id?: string
  readonly limit: number
  readonly json?: true
}

const MAX_LIMIT = 10_000_000
const help = (context: CommandContext) => `
A dead letter is a delivery that a handler has given up, or that no handler could be given (handler: inbox).

${describeExamples(context, [
  ['deliveries', '', 'the newest dead letters'],
  ['deliveries', '--reason timeout --since 2h', 'those that timed out in the last two hours'],
  ['deliveries', '--handler inbox', 'what was not understood, or is held back'],
  ['deliveries', '--state done --id ID', 'which handlers have done their part'],
  ['deliveries', 'show ID', 'all about it, with the text of each failure'],
  ['replay', 'ID', 'lets the handlers that gave it up try again'],
])}
Reasons:
  failed, timeout, permanent   the handler threw until its attempts were over, took too long, gave up at once
  crashed                      the worker ended or froze each time the handler ran
  unreadable                   the stored body is damaged, or was written by a newer release
  unrecognised, schema         the body names no outcome, or has a field of another type, than documented
  conflict                     held back: the same outcome came before with another body; replay hands this one on
  stale                        held back: the provider created it longer ago than STALE_AFTER; replay hands it on

Exit code 0: listed (also when there was nothing), 1: Redis cannot be used, 2: wrong options.
`

/** Adds `deliveries`, which lists them, and `deliveries show`. */
export function addDeliveriesCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('deliveries')
    .description('list deliveries: dead letters, or what waits or is done')
  for (const option of listOptions()) command.addOption(option)
  command.addHelpText('after', help(context))
  command.action((options: ListOptions) =>
    reportWrongUse(command, async () => {
      checkSpan(options)
      if (options.reason !== undefined && options.state !== 'dead') {
        throw new InvalidArgumentError('--reason is for dead letters only; leave out --state.')
      }
      await useDeliveries(context.environment, (open) => list(open, options, context))
    }),
  )
  addShowCommand(command, context)
}

function listOptions(): Option[] {
  return [
    new Option('--state <state>', 'given up, still to run, or finished')
      .choices(LISTED_STATES)
      .default('dead'),
    new Option('--handler <name>', 'only with this handler, or inbox').argParser(text),
    ...pickOptions(),
    new Option('--id <id>', 'only with exactly this analysis or call id').argParser(text),
    new Option('--limit <n>', 'at most so many').argParser(wholeNumber(1, MAX_LIMIT)).default(50),
    jsonOption('one JSON object a line'),
  ]
}

async function list(open: OpenDeliveries, options: ListOptions, context: CommandContext): Promise<void> {
  const { write } = context
  const { state, reason, handler, since, until, id, event: type, limit, json } = options
  if (handler !== undefined) await checkHandlers(open, [handler], { inboxToo: true })
  const filter = { state, reason, handler, since, until, id, type }
  const rows: string[][] = []
  let count = 0
  let isMore = false
  for await (const job of listJobs(open.connection, filter)) {
    isMore = count === limit
    if (isMore) break
    count += 1
    if (json) write(jsonLine(jobObject(job)))
    else rows.push(jobRow(job))
  }
  const isFiltered = Object.values({ ...filter, state: undefined }).some((value) => value !== undefined)
  const total = isMore && !isFiltered && state === 'dead' ? await countDead(open.connection) : undefined
  const what = { dead: 'dead letter', waiting: 'waiting job', done: 'finished job' }[state]
  const summary = isMore ? summariseSome(count, total, what) : summariseAll(count, what, isFiltered)
  if (json) {
    if (isMore) process.stderr.write(`${summary}\n`)
    return
  }
  if (rows.length > 0) write(`${formatTable([JOB_COLUMNS, ...rows])}\n`)
  write(`${summary}\n`)
  for (const name of await pausedHandlers(open.connection)) {
    write(`${name} is paused; to let it go on: ${typed(context, 'resume', name)}\n`)
  }
  if (state === 'dead' && rows.length > 0) write(describeNext(context))
}

function describeNext(context: CommandContext): string {
  const steps = [
    ['in full', typed(context, 'deliveries', 'show JOB-ID')],
    ['try again', typed(context, 'replay', 'JOB-ID')],
  ]
  return formatTable(steps)
}

function summariseAll(shown: number, what: string, isFiltered: boolean): string {
  const count = shown === 0 ? 'no' : shown.toLocaleString('en')
  return `${count} ${what}${shown === 1 ? '' : 's'}${isFiltered ? ' of this kind' : ''}`
}

function summariseSome(shown: number, total: number | undefined, what: string): string {
  const all = total === undefined ? '' : ` of ${total.toLocaleString('en')}`
  const more = total === undefined ? 'there are more, ' : ''
  return `the newest ${shown.toLocaleString('en')}${all} ${what}s; ${more}see --limit`
}
