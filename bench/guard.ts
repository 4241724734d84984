import type { BenchContext } from './bench-context.ts'
import { CONTENDERS } from './contenders/contenders.ts'
import { compare, type Sample } from './parts/compare.ts'
import { samplesOf } from './results.ts'
import { spreadOf, type Spread } from './statistics.ts'

/**
 * Below it, accepting has become slower than any noise explains. It is a ratio of processor times: on a machine that
 * does other things meanwhile, that of webhooks per second was seen anywhere between 0.28 and 0.85.
 */
export const GUARD_RATIO = 0.4
const ROUNDS = 4
const SECONDS = 2
const COMPARED = new Set(['receiver', 'limit'])

/** The processor time of the limit for one webhook as part of that of the receiver, measured in under a minute. */
export async function measureGuard(context: BenchContext): Promise<Spread> {
  const contenders = CONTENDERS.filter(({ id }) => COMPARED.has(id))
  const samples = await compare(context, { contenders, sizes: ['1.5KB'], rounds: ROUNDS, seconds: SECONDS })
  return guardRatio(samples)
}

/** Each round against itself, Redis not counted: it does the same for both. */
export function guardRatio(samples: readonly Sample[]): Spread {
  const cpuOf = (contender: string, part: string, wanted: number) =>
    samplesOf(samples, contender, '1.5KB').find(({ round }) => round === wanted)?.parts[part]
      ?.cpuMicroseconds ?? Number.NaN
  const rounds = [...new Set(samples.map(({ round }) => round))]
  return spreadOf(
    rounds.map((round) => cpuOf('limit', 'server', round) / cpuOf('receiver', 'receiver', round)),
  )
}
