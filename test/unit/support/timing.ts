const SAMPLES = 100_000

/**
 * Measures two kinds of work in random order and returns how far their times lie apart, as Welch's t without the
 * disturbed tenth. 0: not at all.
 */
export function welchOf(work: { near: (sample: number) => void; far: (sample: number) => void }): number {
  const times: { near: number[]; far: number[] } = { near: [], far: [] }
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const kind = Math.random() < 0.5 ? 'near' : 'far'
    const startedAt = process.hrtime.bigint()
    work[kind](sample)
    times[kind].push(Number(process.hrtime.bigint() - startedAt))
  }
  return Math.abs(welch(undisturbed(times.far), undisturbed(times.near)))
}

/** Without the slowest tenth, which garbage collection and other processes make. */
function undisturbed(times: number[]): number[] {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted.slice(0, Math.floor(sorted.length * 0.9))
}

function welch(first: number[], second: number[]): number {
  const [a, b] = [moments(first), moments(second)]
  return (a.mean - b.mean) / Math.sqrt(a.variance / first.length + b.variance / second.length)
}

function moments(values: number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, variance: squares / (values.length - 1) }
}
