import type { Sample } from '../../../../bench/parts/compare.ts'

export const percentiles = { p50: 1, p95: 2, p99: 3, p999: 4, max: 5 }

/** What one load of 1.5 KB may have measured. */
export function sampleOf(contender: string, round: number, acceptedPerSecond: number): Sample {
  const load = {
    accepted: 1,
    others: {},
    seconds: 1,
    latencyMs: percentiles,
    generatorCpuSeconds: 0,
    answers: [],
  }
  return { contender, size: '1.5KB', round, load, acceptedPerSecond, parts: {} }
}
