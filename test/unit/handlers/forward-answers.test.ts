import { describe, expect, it } from 'vitest'
import { judgeAnswer } from '../../../src/handlers/builtin/forward/judge-answer.ts'
import { retryAfterOf } from '../../../src/handlers/builtin/http/retry-after.ts'
import { isPermanent, retryAfterMs } from '../../../src/handlers/handler-errors.ts'

const NOW = Date.parse('2026-01-02T03:04:05Z')

/** What follows from an answer: `done`, `permanent`, `retry`, or the wait in milliseconds. */
function verdict(status: number, retryAfter?: string, attempt = 1, random = 0): string | number {
  try {
    judgeAnswer({ host: 'crm.example', status, retryAfter }, attempt, () => random)
    return 'done'
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return isPermanent(error) ? 'permanent' : (retryAfterMs(error) ?? 'retry')
  }
}

describe('the answer of a target', () => {
  it.each([
    ['done', [200, 201, 202, 204, 299]],
    ['permanent', [400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 418, 421, 422, 431, 451, 499]],
    ['retry', [408, 409, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599]],
    ['retry', [300, 301, 302, 303, 304, 307, 308]],
    ['retry', [0, 101, 600, 999]],
  ])('means %s for %j', (expected, statuses) => {
    for (const status of statuses) expect([status, verdict(status)]).toEqual([status, expected])
  })

  it('sets the wait by Retry-After with 429 and 503 only', () => {
    expect([429, 503].map((status) => verdict(status, '7'))).toEqual([7000, 7000])
    expect([408, 409, 425, 500, 502, 504, 301].map((status) => verdict(status, '7'))).toEqual(
      Array.from({ length: 7 }, () => 'retry'),
    )
    expect([200, 404].map((status) => verdict(status, '7'))).toEqual(['done', 'permanent'])
  })

  it('never sets it shorter than asked, and spreads it the more the more attempts there were', () => {
    const longest = Array.from({ length: 40 }, (_, index) => Number(verdict(503, '1', index + 1, 1)))
    expect(longest.slice(0, 5)).toEqual([2000, 3000, 5000, 9000, 17_000])
    expect(longest.at(-1)).toBe(3_601_000)
    const shortest = longest.map((_, index) => verdict(503, '1', index + 1, 0))
    expect(new Set(shortest)).toEqual(new Set([1000]))
  })

  it('leaves 40 attempts more time than the provider would have tried, however short the waits asked for', () => {
    const waits = Array.from({ length: 39 }, (_, index) => Number(verdict(429, '0', index + 1, 0.5)))
    expect(waits.reduce((sum, waitMs) => sum + waitMs, 0)).toBeGreaterThan(8 * 3_600_000)
  })

  it('is told by host and status, with the cure for a redirect', () => {
    const answer = { host: 'crm.example', retryAfter: undefined }
    expect(() => judgeAnswer({ ...answer, status: 418 }, 1)).toThrow(/^crm\.example answered 418$/)
    expect(() => judgeAnswer({ ...answer, status: 502 }, 1)).toThrow(/^crm\.example answered 502$/)
    expect(() => judgeAnswer({ ...answer, status: 301 }, 1)).toThrow(
      /redirects are not followed.*FORWARD_URLS/,
    )
  })
})

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['1', 1000],
    [' 120 ', 120_000],
    ['300', 300_000],
    ['301', 300_000],
    ['99999999999999999999999', 300_000],
    ['Fri, 02 Jan 2026 03:04:35 GMT', 30_000],
    ['Fri, 02 Jan 2026 03:04:00 GMT', 0],
    ['Fri, 02 Jan 2027 03:04:00 GMT', 300_000],
  ])('of %j waits %i ms, and never more than 5 min', (text, expected) => {
    expect(retryAfterOf(text, NOW)).toBe(expected)
  })

  it.each([
    undefined,
    '',
    '-1',
    '1.5',
    '1e3',
    '0x10',
    '5s',
    'soon',
    '2027-01-02T03:04:05Z',
    'Xxx, 99 Yyy 2026 99:99:99 GMT',
    '１',
  ])('of %j says nothing', (text) => {
    expect(retryAfterOf(text, NOW)).toBeUndefined()
  })
})
