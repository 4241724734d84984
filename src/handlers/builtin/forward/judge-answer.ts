import { PermanentError, RetryLater } from '../../handler-errors.ts'
import { retryAfterOf } from '../http/retry-after.ts'

/** Client errors that another attempt may find gone. */
const PASSING = new Set([408, 409, 425, 429])
const WAITS = new Set([429, 503])
const FIRST_SPREAD_MS = 1000
const MAX_SPREAD_MS = 3_600_000

/** What a target said to a forwarded event. */
export interface TargetAnswer {
  readonly host: string
  readonly status: number
  readonly retryAfter: string | undefined
}

/**
 * Returns when the target has taken the event.
 * @param attempt from 1
 * @throws PermanentError, RetryLater or Error, by what may help
 */
export function judgeAnswer(
  { host, status, retryAfter }: TargetAnswer,
  attempt: number,
  random = Math.random,
): void {
  if (status >= 200 && status < 300) return
  const text = `${host} answered ${status}`
  if (status >= 300 && status < 400) {
    throw new Error(`${text}; redirects are not followed, so FORWARD_URLS needs the final address`)
  }
  if (status >= 400 && status < 500 && !PASSING.has(status)) throw new PermanentError(text)
  const askedMs = WAITS.has(status) ? retryAfterOf(retryAfter) : undefined
  if (askedMs === undefined) throw new Error(text)
  // With 429 the target works, and rests of 30 s would leave most of what it can take unused.
  throw new RetryLater(askedMs + random() * spreadMs(attempt), text, { targetFailed: status === 503 })
}

/**
 * What is at most added to the wait that a target asks for: all would come back together each time, and use up their
 * attempts. Measured with 1500 events and a target that takes 25 a second and asks for 1 s:
 *
 * | Wait                                 | All taken after | Attempts, most |
 * | ------------------------------------ | --------------- | -------------- |
 * | as asked                             | 56 s            | 32 of 40       |
 * | as asked, at least one that doubles  | over 200 s      | 8              |
 * | as asked, and a random share of that | 158 s           | 9              |
 */
function spreadMs(attempt: number): number {
  return Math.min(FIRST_SPREAD_MS * 2 ** (attempt - 1), MAX_SPREAD_MS)
}
