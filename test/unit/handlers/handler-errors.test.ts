import { describe, expect, it, vi } from 'vitest'
import {
  isPermanent,
  PermanentError,
  RetryLater,
  retryAfterMs,
} from '../../../src/handlers/handler-errors.ts'

describe('PermanentError', () => {
  it('is an error with a text and a cause like any other', () => {
    const cause = new Error('404')
    const error = new PermanentError('the customer is gone', { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'PermanentError', message: 'the customer is gone', cause })
  })

  it('is told from other errors', () => {
    expect(isPermanent(new PermanentError('gone'))).toBe(true)
    expect(isPermanent(new Error('gone'))).toBe(false)
    expect(isPermanent(new RetryLater('1s'))).toBe(false)
  })
})

describe('RetryLater', () => {
  it.each([
    ['10m', 600_000],
    ['1.5s', 1500],
    ['2d', 172_800_000],
    ['250', 250],
    [0, 0],
    [90_000, 90_000],
  ] as const)('takes %s as the time to wait', (delay, milliseconds) => {
    expect(retryAfterMs(new RetryLater(delay))).toBe(milliseconds)
  })

  it('may tell why and what caused it', () => {
    const cause = new Error('429')
    const error = new RetryLater('1m', 'the CRM is busy', { cause })
    expect(error).toMatchObject({ name: 'RetryLater', message: 'the CRM is busy', cause })
  })

  it.each(['soon', '', '10 parsecs', '-5m', -1, Number.NaN, Number.POSITIVE_INFINITY, undefined, null, {}])(
    'refuses %j, which is no time, instead of guessing one',
    (delay) => {
      expect(() => new RetryLater(delay as number)).toThrow(Error)
    },
  )

  it('is told from other errors', () => {
    expect(retryAfterMs(new Error('busy'))).toBeUndefined()
    expect(retryAfterMs(new PermanentError('gone'))).toBeUndefined()
  })
})

describe('both marks', () => {
  it('are the same in another copy of the package, for which instanceof would fail', async () => {
    vi.resetModules()
    const copy = await import('../../../src/handlers/handler-errors.ts')
    expect(copy.PermanentError).not.toBe(PermanentError)
    expect(isPermanent(new copy.PermanentError('gone'))).toBe(true)
    expect(retryAfterMs(new copy.RetryLater('1s'))).toBe(1000)
  })
})
