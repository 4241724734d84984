import { withinTime } from '../time-limit.ts'

/** Hundreds of quick runs are through within this time; behind a slow one nobody waits longer. */
const WAIT_MS = 250
const STEP_BACK_MIN_MS = 500
const STEP_BACK_MAX_MS = 5000

/**
 * Lets one suspect at a time run in this worker. A suspect is a job whose worker died or froze while it ran:
 * whichever of them did it must not take the others along once more. Measured with a handler that exits the process
 * among 19 innocent jobs: all 20 became dead letters without this, 1 with it.
 */
export class SuspectGate {
  /** In order of their arrival. */
  readonly #waiting: (() => void)[] = []
  #occupied = false

  /** The release of the place, in its turn; `undefined` when that does not come soon. */
  async enter(): Promise<(() => void) | undefined> {
    if (this.#occupied) {
      const { promise: turn, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await withinTime(turn, WAIT_MS)
      const index = this.#waiting.indexOf(resolve)
      if (index !== -1) {
        this.#waiting.splice(index, 1)
        return undefined
      }
    }
    this.#occupied = true
    return () => this.#leave()
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#occupied = false
    else next()
  }
}

/** How long a suspect steps back when its turn did not come. */
export function stepBackMs(random = Math.random): number {
  return Math.round(STEP_BACK_MIN_MS + random() * (STEP_BACK_MAX_MS - STEP_BACK_MIN_MS))
}
