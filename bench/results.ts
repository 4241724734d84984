import type { BodySize } from './load/bodies.ts'
import type { Machine } from './machine.ts'
import type { FsyncTimes } from './measure-fsync.ts'
import type { Sample } from './parts/compare.ts'
import type { Drain } from './parts/drain.ts'
import type { Lag } from './parts/lag.ts'
import type { Recovery } from './parts/recovery.ts'
import type { BacklogAccept, ReceiversAccept } from './parts/scale.ts'
import type { StartUp } from './parts/start-up.ts'
import type { StoredBytes } from './parts/stored-bytes.ts'
import { spreadOf, type Spread } from './statistics.ts'

/** All that one run of the bench measured; what it was not asked for is missing. */
export interface Results {
  readonly measuredAt: string
  readonly seconds: number
  readonly rounds: number
  /** Whether nothing of the core is left out. */
  readonly isComplete: boolean
  readonly machine: Machine
  readonly bodies: readonly BodyFacts[]
  readonly leftOut: readonly { readonly contender: string; readonly reason: string }[]
  readonly fsync: FsyncTimes
  readonly samples: readonly Sample[]
  readonly drains: readonly Drain[]
  readonly storedBytes?: StoredBytes
  readonly lags: readonly (Lag & { readonly fsync: FsyncTimes })[]
  readonly recovery?: Recovery
  readonly startUps: readonly StartUp[]
  readonly receivers: readonly ReceiversAccept[]
  readonly backlog?: BacklogAccept
}

export interface BodyFacts {
  readonly size: BodySize
  readonly bytes: number
  /** By zstd at its own level, 3. */
  readonly compressedBytes: number
}

export function samplesOf(samples: readonly Sample[], contender: string, size: BodySize): Sample[] {
  return samples.filter((sample) => sample.contender === contender && sample.size === size)
}

/** How a contender's accepted webhooks per second compare with another's of the same round. */
export function ratioOf(
  samples: readonly Sample[],
  size: BodySize,
  contender: string,
  other: string,
): Spread | undefined {
  const others = new Map(
    samplesOf(samples, other, size).map(({ round, acceptedPerSecond }) => [round, acceptedPerSecond]),
  )
  const ratios = samplesOf(samples, contender, size).flatMap(({ round, acceptedPerSecond }) => {
    const compared = others.get(round)
    return compared === undefined ? [] : [acceptedPerSecond / compared]
  })
  return ratios.length === 0 ? undefined : spreadOf(ratios)
}
