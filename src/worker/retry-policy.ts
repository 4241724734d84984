import type { AttemptFailure } from './attempt-failure.ts'

export interface RetryLimits {
  readonly attempts: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
}

/** What BullMQ takes from a backoff strategy as "no further attempt". */
export const NO_RETRY = -1

/**
 * Milliseconds until the next attempt: what the handler asked for, else exponential from `backoffMs`, capped, with
 * jitter between half and whole. With the defaults (40 attempts, 5 s, 1 h) all attempts span about 23 h, longer
 * than the 7 h 21 min for which CallCov itself would have tried.
 * @param attemptsMade attempts so far, the failed one included
 */
export function nextDelayMs(
  failure: AttemptFailure,
  attemptsMade: number,
  { backoffMs, backoffMaxMs }: RetryLimits,
  random = Math.random,
): number {
  if (failure.final) return NO_RETRY
  if (failure.delayMs !== undefined) return failure.delayMs
  const wholeMs = Math.min(backoffMs * 2 ** (attemptsMade - 1), backoffMaxMs)
  return Math.round(wholeMs * (0.5 + random() / 2))
}
