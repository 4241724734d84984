import { retryAfterMs } from '../../handler-errors.ts'
import { mergeNotices, type Notice } from './notice.ts'

export interface NoticesOptions {
  /** The least time between two messages. */
  readonly everyMs: number
  send(notice: Notice, signal: AbortSignal): Promise<void>
  /** Told when what was collected could not be sent; it is tried again. */
  onProblem(error: unknown): void
}

const NEVER = new AbortController().signal

/**
 * The notices of one kind: the first is sent at once, and what comes in the time after a message is collected for the
 * next. What is collected is in memory alone.
 */
export class Notices {
  readonly #options: NoticesOptions
  #collected: Notice | undefined
  #sending: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Until then all is collected. */
  #quietUntil = Number.NEGATIVE_INFINITY
  /** When what is collected may be sent; after a failure later than a new notice, which somebody waits for. */
  #flushAt = Number.NEGATIVE_INFINITY
  #isStopped = false

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  /**
   * Resolves when the notice is sent, or collected because another message was just sent.
   * @throws what keeps it from being sent; then it is not collected, and is to be told again
   */
  async tell(notice: Notice, signal: AbortSignal): Promise<void> {
    if (this.#sending !== undefined || performance.now() < this.#quietUntil) this.collect(notice)
    else await this.#send(notice, signal)
  }

  /** Leaves the notice for the next message, which is sent as soon as one may be. */
  collect(notice: Notice): void {
    this.#collected = merge(this.#collected, notice)
    this.#flushLater()
  }

  /** Sends what is collected; resolves to how many things could not be told. */
  async stop(signal: AbortSignal): Promise<number> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#sending?.catch(() => {})
    await this.#flush(signal)
    return this.#collected?.count ?? 0
  }

  #flushLater(): void {
    if (this.#collected === undefined || this.#sending !== undefined) return
    if (this.#isStopped || this.#timer !== undefined) return
    const flush = () => {
      this.#timer = undefined
      void this.#flush(NEVER)
    }
    this.#timer = setTimeout(flush, Math.max(0, this.#flushAt - performance.now())).unref()
  }

  async #flush(signal: AbortSignal): Promise<void> {
    if (this.#collected === undefined || this.#sending !== undefined) return
    await this.#send(undefined, signal).catch((error: unknown) => this.#options.onProblem(error))
  }

  /** Sends what is collected, and the notice with it. */
  async #send(notice: Notice | undefined, signal: AbortSignal): Promise<void> {
    const collected = this.#collected
    const all = merge(collected, notice)
    if (all === undefined) return
    this.#collected = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    try {
      this.#sending = this.#options.send(all, signal)
      await this.#sending
      this.#quietUntil = performance.now() + this.#options.everyMs
      this.#flushAt = this.#quietUntil
    } catch (error) {
      this.#collected = merge(collected, this.#collected)
      this.#waitAfter(error)
      throw error
    } finally {
      this.#sending = undefined
      this.#flushLater()
    }
  }

  #waitAfter(error: unknown): void {
    const askedMs = typeof error === 'object' && error !== null ? (retryAfterMs(error) ?? 0) : 0
    this.#quietUntil = performance.now() + askedMs
    this.#flushAt = performance.now() + Math.max(askedMs, this.#options.everyMs)
  }
}

function merge(first: Notice | undefined, second: Notice | undefined): Notice | undefined {
  return first === undefined || second === undefined ? (first ?? second) : mergeNotices(first, second)
}
