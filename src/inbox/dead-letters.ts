import type { PayloadKeys } from './payload-keys.ts'

/** Why a delivery failed. Closed list: metric label, filter of the tools, and first word of the stored reason. */
export const FAILURE_REASONS = [
  'failed',
  'timeout',
  'permanent',
  /** The worker process ended or froze each time the job ran. */
  'crashed',
  /** The body cannot be read: damaged, or written by a newer release. */
  'unreadable',
  /** The body is no JSON, or names no outcome that is known. */
  'unrecognised',
  /** A known field has another type than documented. */
  'schema',
  /** The same outcome came with another body. */
  'conflict',
  /** The provider created it longer ago than STALE_AFTER. */
  'stale',
] as const
export type FailureReason = (typeof FAILURE_REASONS)[number]

/** The reasons of deliveries that are well-formed, and held back until a person decides. */
export const HELD_BACK: ReadonlySet<FailureReason> = new Set(['conflict', 'stale'])

/** The stored form of a reason and its explanation. */
export function formatReason(reason: FailureReason, text: string): string {
  return `${reason}: ${text}`
}

/** A stored reason with its text opened, for people. */
export function openReason(failedReason: string, keys: PayloadKeys): string {
  const reason = reasonOf(failedReason)
  const start = formatReason(reason, '')
  return failedReason.startsWith(start)
    ? start + keys.openText(failedReason.slice(start.length))
    : failedReason
}

/** The reason that a stored text begins with; `failed` for what BullMQ itself wrote. */
export function reasonOf(failedReason: string | null | undefined): FailureReason {
  const word = failedReason?.split(':', 1)[0]
  return FAILURE_REASONS.find((reason) => reason === word) ?? 'failed'
}
