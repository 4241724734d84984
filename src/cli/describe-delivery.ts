import { reasonOf } from '../inbox/dead-letters.ts'
import type { DeliveryDetails } from '../inbox/deliveries.ts'
import type { JobDetails } from '../inbox/job-details.ts'
import type { CommandContext } from './command-context.ts'
import { typed } from './command-line.ts'
import { INBOX } from './delivery-options.ts'
import { isoTime } from './describe-job.ts'
import { escapeText } from './escape-text.ts'
import { formatTable } from './print-table.ts'

const ID_CHARACTERS = 400
const TEXT_CHARACTERS = 2000

/** The words of the tools for BullMQ's states. */
const STATES: Partial<Record<JobDetails['state'], string>> = {
  failed: 'dead',
  completed: 'done',
  active: 'running',
  delayed: 'waiting for its next attempt',
}

/** What a job is doing, in the words of the tools. */
export function stateOf({ state }: JobDetails): string {
  return STATES[state] ?? 'waiting'
}

/** A delivery as `show --json` writes it, whole. */
export function deliveryObject({ jobId, metadata, jobs }: DeliveryDetails, deliveryId: string | null) {
  return {
    jobId,
    id: metadata?.id ?? null,
    source: metadata?.source ?? null,
    event: metadata?.type ?? null,
    receivedAt: metadata === null ? null : isoTime(metadata.receivedAt),
    bytes: metadata?.bytes ?? null,
    sha256: metadata?.sha256 ?? null,
    origin: metadata?.origin ?? null,
    deliveryId,
    jobs: jobs.map((job) => ({
      handler: job.handler ?? INBOX,
      state: stateOf(job),
      attempts: job.attempts,
      replays: job.replays,
      reason: job.state === 'failed' ? reasonOf(job.failure) : null,
      failure: job.failure,
      stack: job.stack,
      endedAt: job.endedAt === null ? null : isoTime(job.endedAt),
    })),
  }
}

/** A delivery for a person: its facts, what has become of it, why, and what to do next. */
export function describeDelivery(
  delivery: DeliveryDetails,
  deliveryId: string | null,
  context: CommandContext,
): string {
  const { jobs } = delivery
  const rows = jobs.map((job) => [
    job.handler ?? INBOX,
    stateOf(job),
    String(job.attempts),
    String(job.replays),
    job.endedAt === null ? '-' : isoTime(job.endedAt),
  ])
  const table = formatTable([['handler', 'state', 'attempts', 'replays', 'ended'], ...rows])
  const failures = jobs.map(describeFailure).join('')
  return `${describeFacts(delivery, deliveryId)}\n${table}${failures}\n${describeNext(delivery, context)}`
}

function describeFacts({ jobId, metadata }: DeliveryDetails, deliveryId: string | null): string {
  const facts: [string, string][] = [['job id', jobId]]
  if (metadata === null) facts.push(['note', 'a newer release stored it; this one cannot read it'])
  else {
    facts.unshift(
      ['id', metadata.id === null ? 'none: the body names none' : escapeText(metadata.id, ID_CHARACTERS)],
      ['event', metadata.type ?? 'none: the body names none'],
      ['received', `${isoTime(metadata.receivedAt)} from ${metadata.source} (${metadata.origin})`],
      ['body', `${metadata.bytes} bytes, sha256 ${metadata.sha256}`],
      ['delivery id', deliveryId ?? 'none: the body names no known outcome'],
    )
  }
  return formatTable(facts)
}

function describeFailure({ handler, failure, stack }: JobDetails): string {
  if (failure === null) return ''
  const frames = (stack ?? '').split('\n').filter((line) => line.trim() !== '')
  const lines = [failure, ...frames].map((line) => `  ${escapeText(line, TEXT_CHARACTERS)}\n`)
  return `\n${handler ?? INBOX} failed last with\n${lines.join('')}`
}

function describeNext({ jobId, jobs }: DeliveryDetails, context: CommandContext): string {
  const isDead = jobs.some(({ state }) => state === 'failed')
  const steps = [['body', typed(context, 'deliveries', `show ${jobId} --body`, { onlyOutput: true })]]
  if (isDead) {
    steps.push(['try again', typed(context, 'replay', jobId)], ['remove', typed(context, 'discard', jobId)])
  } else steps.push(['run again', typed(context, 'replay', `${jobId} --all`)])
  return formatTable(steps)
}
