import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config.ts'
import { AttemptFailure } from '../../../src/worker/attempt-failure.ts'
import { NO_RETRY, nextDelayMs } from '../../../src/worker/retry-policy.ts'

const HOUR_MS = 3_600_000
/** CallCov's own retries end 7 h 21 min after the first try. */
const PROVIDER_WINDOW_MS = 441 * 60_000

const FAILED = new AttemptFailure('failed', 'CRM answered 500')
const LIMITS = { attempts: 10, backoffMs: 5000, backoffMaxMs: 60_000 }

/** The two ends and the middle of what Math.random gives. */
const [LOWEST, MIDDLE, HIGHEST] = [() => 0, () => 0.5, () => 1 - Number.EPSILON] as const

/** From the first failure to the last attempt of the default settings. */
function defaultScheduleMs(random: () => number): number {
  const { handlerDefaults } = loadConfig({})
  const failedAttempts = Array.from({ length: handlerDefaults.attempts - 1 }, (_, index) => index + 1)
  return failedAttempts
    .map((attemptsMade) => nextDelayMs(FAILED, attemptsMade, handlerDefaults, random))
    .reduce((sum, delayMs) => sum + delayMs)
}

describe('the wait after a failed attempt', () => {
  it('begins with the backoff, doubles with each attempt, and stops growing at the cap', () => {
    const waits = [1, 2, 3, 4, 5, 6, 40].map((made) => nextDelayMs(FAILED, made, LIMITS, HIGHEST))
    expect(waits).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  })

  it('is between half and the whole of that, so that deliveries which failed together come apart', () => {
    expect(nextDelayMs(FAILED, 3, LIMITS, LOWEST)).toBe(10_000)
    expect(nextDelayMs(FAILED, 3, LIMITS, MIDDLE)).toBe(15_000)
    expect(nextDelayMs(FAILED, 3, LIMITS, HIGHEST)).toBe(20_000)
  })

  it('differs from one delivery to the next', () => {
    const waits = Array.from({ length: 100 }, () => nextDelayMs(FAILED, 5, LIMITS))
    expect(new Set(waits).size).toBeGreaterThan(50)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(30_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000)
  })

  it('is a whole number of milliseconds within its bounds whatever the settings are', () => {
    const limits = fc.record({
      attempts: fc.constant(1000),
      backoffMs: fc.integer({ min: 1, max: 24 * HOUR_MS }),
      backoffMaxMs: fc.integer({ min: 1, max: 7 * 24 * HOUR_MS }),
    })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 5000 }), random, (given, made, chance) => {
        const delayMs = nextDelayMs(FAILED, made, given, () => chance)
        expect(Number.isSafeInteger(delayMs)).toBe(true)
        expect(delayMs).toBeGreaterThanOrEqual(0)
        expect(delayMs).toBeLessThanOrEqual(given.backoffMaxMs)
      }),
    )
  })
})

describe('the default schedule', () => {
  it('spans about 23 h', () => {
    const hours = defaultScheduleMs(MIDDLE) / HOUR_MS
    expect(hours).toBeGreaterThan(22.5)
    expect(hours).toBeLessThan(23.5)
  })

  it('outlasts the retries of CallCov even when every wait is the shortest', () => {
    expect(defaultScheduleMs(LOWEST)).toBeGreaterThan(PROVIDER_WINDOW_MS)
  })
})

describe('a failure that decides for itself', () => {
  it('comes again after the delay that the handler asked for, beyond the cap as well as at once', () => {
    const asked = (delayMs: number) => new AttemptFailure('failed', 'busy', { delayMs })
    expect(nextDelayMs(asked(600_000), 1, LIMITS, LOWEST)).toBe(600_000)
    expect(nextDelayMs(asked(0), 7, LIMITS, HIGHEST)).toBe(0)
  })

  it('never comes again when it is final, in the way that BullMQ understands', () => {
    const final = new AttemptFailure('permanent', 'gone', { final: true, delayMs: 1000 })
    expect(nextDelayMs(final, 1, LIMITS)).toBe(NO_RETRY)
    expect(NO_RETRY).toBe(-1)
  })
})
