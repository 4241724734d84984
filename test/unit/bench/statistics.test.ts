import { describe, expect, it } from 'vitest'
import { percentilesOf, spreadOf } from '../../../bench/statistics.ts'

describe('spreadOf', () => {
  it('tells the middle of an odd and of an even number of values, and the outermost', () => {
    expect(spreadOf([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 })
    expect(spreadOf([4, 1, 9, 2])).toEqual({ median: 3, min: 1, max: 9 })
    expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 })
  })

  it('has nothing to tell of no values', () => {
    expect(spreadOf([])).toEqual({ median: NaN, min: NaN, max: NaN })
  })
})

describe('percentilesOf', () => {
  it('ranks values, which it leaves in their order', () => {
    const values = Array.from({ length: 1000 }, (_, index) => 1000 - index)
    expect(percentilesOf(values)).toEqual({ p50: 500, p95: 950, p99: 990, p999: 999, max: 1000 })
    expect(values[0]).toBe(1000)
  })

  it('answers with a value that was measured however few there are', () => {
    expect(percentilesOf([3, 8])).toEqual({ p50: 3, p95: 8, p99: 8, p999: 8, max: 8 })
    expect(percentilesOf([])).toMatchObject({ p50: NaN, max: NaN })
  })
})
