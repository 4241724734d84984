import {
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleAll,
  IterableBackoff,
  type CircuitBreakerPolicy,
} from 'cockatiel'

/** Each rest is twice the one before, to at most ten times the first. */
const REST_FACTORS = [1, 2, 4, 8, 10]

/**
 * What a run says of the handler's target. `nothing`: of the delivery (PermanentError), of a time to come again
 * (RetryLater, unless it says that the target failed), or of this service, which stops.
 */
export type RunVerdict = 'success' | 'failure' | 'nothing'

/** Of a run that may begin. */
export interface BreakerEntry {
  readonly isProbe: boolean
  /** Tells what it came to. */
  leave(verdict: RunVerdict): Promise<void>
}

export interface BreakerEvents {
  /** The handler rests; `isFirst` unless a probe has failed. */
  onOpen(restMs: number, isFirst: boolean): void
  onClose(): void
}

/**
 * Decides when a handler rests: after so many failed runs in a row, until one run, the probe, has succeeded. Only runs
 * that began while it was closed, and probes, say anything: the others ran into the same trouble as those that opened it.
 */
export class Breaker {
  readonly #options: { readonly failures: number; readonly openForMs: number }
  readonly #events: BreakerEvents
  #policy: CircuitBreakerPolicy
  #openings = 0
  #restUntil = 0
  #isProbing = false

  constructor(options: { readonly failures: number; readonly openForMs: number }, events: BreakerEvents) {
    this.#options = options
    this.#events = events
    this.#policy = this.#closedPolicy()
  }

  /** False while it rests, and between two rests until a probe has succeeded. */
  get isClosed(): boolean {
    return this.#policy.state === CircuitState.Closed
  }

  /** Of the present rest, or the one before the probe. */
  get restMs(): number {
    const factor = REST_FACTORS[Math.min(this.#openings, REST_FACTORS.length) - 1] ?? 1
    return this.#options.openForMs * factor
  }

  /** What is left of it; 0 when it is over. */
  get remainingMs(): number {
    return this.isClosed ? 0 : Math.max(0, Math.ceil(this.#restUntil - Date.now()))
  }

  /** Lets a run begin; `undefined` when none may. */
  tryEnter(): BreakerEntry | undefined {
    if (this.isClosed) {
      return {
        isProbe: false,
        leave: async (verdict) => {
          if (this.isClosed) await this.#record(verdict)
        },
      }
    }
    if (this.#isProbing || this.remainingMs > 0) return undefined
    this.#isProbing = true
    return {
      isProbe: true,
      leave: async (verdict) => {
        this.#isProbing = false
        await this.#record(verdict)
      },
    }
  }

  /** Ends the rest without a probe: that of another worker has succeeded. */
  close(): void {
    if (this.isClosed) return
    this.#policy = this.#closedPolicy()
    this.#onReset()
  }

  async #record(verdict: RunVerdict): Promise<void> {
    if (verdict === 'nothing') return
    await this.#policy
      .execute(() => {
        if (verdict === 'failure') throw new Error('the run failed')
      })
      .catch(() => {})
  }

  #closedPolicy(): CircuitBreakerPolicy {
    const policy = circuitBreaker(handleAll, {
      breaker: new ConsecutiveBreaker(this.#options.failures),
      halfOpenAfter: new IterableBackoff(REST_FACTORS.map((factor) => this.#options.openForMs * factor)),
    })
    policy.onBreak(() => this.#onBreak())
    policy.onReset(() => this.#onReset())
    return policy
  }

  #onBreak(): void {
    this.#openings += 1
    this.#restUntil = Date.now() + this.restMs
    this.#events.onOpen(this.restMs, this.#openings === 1)
  }

  #onReset(): void {
    this.#openings = 0
    this.#events.onClose()
  }
}
