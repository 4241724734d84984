import type { Queue } from 'bullmq'
import type { Breaker, RunVerdict } from './breaker.ts'

/** BullMQ minds the limit of a queue only in workers that have one themselves: none ever reaches this one. */
export const NO_LIMIT = { max: Number.MAX_SAFE_INTEGER, duration: 1000 }

/**
 * The rests of a handler whose breaker is open. A rest is a rate limit in Redis: it holds for the workers of all
 * processes, whatever the state of their own breakers, and what waits stays where it is.
 */
export class QueueRest {
  readonly #queue: Queue
  readonly #breaker: Breaker
  /** Redis has taken the limit: who is given a job all the same is told that somebody has lifted it. */
  #isLimited = false

  constructor(queue: Queue, breaker: Breaker) {
    this.#queue = queue
    this.#breaker = breaker
  }

  /** How a job that may run tells what it came to; `undefined` when it must wait: then no other is taken, either. */
  async enter(): Promise<((verdict: RunVerdict) => Promise<void>) | undefined> {
    const entry = this.#breaker.tryEnter()
    if (entry === undefined) {
      await this.#limit()
      return undefined
    }
    return async (verdict) => {
      await entry.leave(verdict)
      try {
        if (this.#breaker.remainingMs > 0) await this.#limit()
        else if (entry.isProbe) await this.lift()
      } catch {
        // The run is over whatever Redis says; the next job that is taken sets the limit.
      }
    }
  }

  /** Takes a job by the given means: while the breaker is open just one, and only when the rest is over. */
  async take<MaybeJob>(takeJob: () => Promise<MaybeJob>): Promise<MaybeJob> {
    const wasLimited = this.#isLimited
    const job = await takeJob()
    if (job === undefined || this.#breaker.isClosed) return job
    // The probe of another worker has succeeded.
    if (wasLimited && this.#breaker.remainingMs > 0) this.#breaker.close()
    else await this.#limit()
    return job
  }

  /** Lets every worker take jobs again. */
  async lift(): Promise<void> {
    if (!this.#isLimited) return
    this.#isLimited = false
    await this.#queue.removeRateLimitKey()
  }

  async #limit(): Promise<void> {
    const restMs = this.#breaker.remainingMs || this.#breaker.restMs
    // The rest of another worker may be longer.
    const limitedMs = await this.#queue.getRateLimitTtl(NO_LIMIT.max)
    if (limitedMs < restMs) await this.#queue.rateLimit(restMs)
    this.#isLimited = true
  }
}
