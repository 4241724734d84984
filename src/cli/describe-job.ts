import type { ListedJob } from '../inbox/listed-jobs.ts'
import { INBOX } from './delivery-options.ts'
import { escapeText } from './escape-text.ts'

const ID_CHARACTERS = 40

/** A moment as all tools write it: ISO 8601 in UTC. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

export const JOB_COLUMNS = [
  'time',
  'id',
  'event',
  'handler',
  'state',
  'reason',
  'attempts',
  'job id',
] as const

/** One job as a line of a table, whatever its id holds. */
export function jobRow({ jobId, handler, state, at, attempts, reason, metadata }: ListedJob): string[] {
  return [
    isoTime(at),
    escapeText(metadata?.id ?? '-', ID_CHARACTERS),
    metadata?.type ?? '-',
    handler ?? INBOX,
    state,
    reason ?? '-',
    String(attempts),
    jobId,
  ]
}

/** One job as `--json` writes it, whole. */
export function jobObject({ jobId, handler, state, at, attempts, reason, failure, metadata }: ListedJob) {
  return {
    time: isoTime(at),
    id: metadata?.id ?? null,
    event: metadata?.type ?? null,
    handler: handler ?? INBOX,
    state,
    reason,
    attempts,
    jobId,
    failure,
    source: metadata?.source ?? null,
    receivedAt: metadata === null ? null : isoTime(metadata.receivedAt),
    bytes: metadata?.bytes ?? null,
    sha256: metadata?.sha256 ?? null,
    origin: metadata?.origin ?? null,
  }
}
