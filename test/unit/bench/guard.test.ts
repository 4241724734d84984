import { expect, it } from 'vitest'
import { guardRatio } from '../../../bench/guard.ts'
import { sampleOf } from './support/sample.ts'

const cpu = (cpuMicroseconds: number) => ({ cpuMicroseconds, restBytes: 0, peakBytes: 0 })

it('the guard compares processor times of the same round, without those of Redis', () => {
  const samples = [1, 2, 4].flatMap((slowness, index) => [
    { ...sampleOf('receiver', index, 1), parts: { receiver: cpu(200 * slowness), Redis: cpu(9) } },
    { ...sampleOf('limit', index, 1), parts: { server: cpu(80 * slowness), Redis: cpu(1) } },
  ])
  expect(guardRatio(samples)).toEqual({ median: 0.4, min: 0.4, max: 0.4 })
})
