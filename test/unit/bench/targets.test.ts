import { describe, expect, it } from 'vitest'
import { ratioOf, type Results } from '../../../bench/results.ts'
import { evaluateTargets, judge, type Target } from '../../../bench/targets.ts'
import { percentiles, sampleOf } from './support/sample.ts'

const fsync = { writes: 1000, p50Ms: 1, p99Ms: 4 }

const NOTHING: Results = {
  measuredAt: '2026-11-20',
  seconds: 1,
  rounds: 3,
  isComplete: true,
  machine: { processor: 'one', cores: 2, memoryGib: 4, system: 'Linux', fileSystem: 'ext4', versions: {} },
  bodies: [],
  leftOut: [],
  fsync,
  samples: [],
  drains: [],
  lags: [],
  startUps: [],
  receivers: [],
}

const target = (results: Results, name: RegExp): Target => {
  const found = evaluateTargets(results).find((each) => name.test(each.name))
  if (found === undefined) throw new Error('there is no such target')
  return found
}

describe('ratios', () => {
  it('are built within a round, as the machine may be faster in the next', () => {
    const samples = [
      sampleOf('receiver', 1, 50),
      sampleOf('limit', 1, 100),
      sampleOf('receiver', 2, 600),
      sampleOf('limit', 2, 1000),
      sampleOf('receiver', 3, 7),
    ]
    expect(ratioOf(samples, '1.5KB', 'receiver', 'limit')).toEqual({ median: 0.55, min: 0.5, max: 0.6 })
    expect(ratioOf(samples, '64KB', 'receiver', 'limit')).toBeUndefined()
  })
})

describe('a target', () => {
  it('is met at its very limit, whichever side it bounds', () => {
    const base = { name: 'x', unit: '/s', limit: 10 } as const
    expect(judge({ ...base, bound: 'at least', measured: 10 })).toBe('met')
    expect(judge({ ...base, bound: 'at least', measured: 9.9 })).toBe('NOT met')
    expect(judge({ ...base, bound: 'at most', measured: 10 })).toBe('met')
    expect(judge({ ...base, bound: 'at most', measured: 10.1 })).toBe('NOT met')
  })

  it('is never met by what was not measured', () => {
    expect(evaluateTargets(NOTHING).map(judge)).toEqual(evaluateTargets(NOTHING).map(() => 'not measured'))
  })

  it('for answers is bound by the fsync times of the same minute', () => {
    const lag = {
      size: '64KB',
      ratePerSecond: 200,
      seconds: 10,
      accepted: 2000,
      answerMs: { ...percentiles, p99: 21 },
      answerToHandlerMs: percentiles,
      fsync,
    } as const
    const answer = target({ ...NOTHING, lags: [lag] }, /p99 of the answer/)
    expect(answer).toMatchObject({ bound: 'at most', limit: 22, measured: 21 })
    expect(judge(answer)).toBe('met')
  })

  it('for a finished delivery does not count its body', () => {
    const drain = {
      handlers: 3,
      workers: 1,
      deliveries: 10,
      deliveriesPerSecond: 1600,
      cpuMicroseconds: { worker: 1, redis: 1 },
      workerPeakBytes: 1,
      bytes: { waiting: 2000, finished: 4000, encodedBody: 1000 },
    }
    expect(target({ ...NOTHING, drains: [drain] }, /finished delivery/).measured).toBe(3000)
  })
})
