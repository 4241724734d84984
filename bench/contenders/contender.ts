import type { BenchRedis } from '../processes/bench-redis.ts'
import type { Site } from '../processes/bench-process.ts'
import type { UsagePart } from '../processes/process-usage.ts'

/** What somebody could point CallCov at, started on its own and measured with the same load as the others. */
export interface Contender {
  /** For the command line and the JSON. */
  readonly id: string
  readonly title: string
  readonly guarantees: Guarantees
  readonly usesRedis: boolean
  /** Debian packages that it needs, and whether they are there. */
  readonly needs?: { readonly packages: readonly string[]; readonly isInstalled: () => boolean }
  /** Resolves when its processes run; they may not answer yet. */
  start(site: Site, redis: BenchRedis | undefined): Promise<RunningContender>
}

/** What a 200 of it means, so that a fast number that loses data is seen as one. */
export interface Guarantees {
  readonly signature: boolean
  readonly durable: boolean
  readonly deduplicated: boolean
  /** Whether the bytes that were signed are kept. */
  readonly rawBytes: boolean
  /** One sentence on what is missing, or on what it has beyond the others. */
  readonly note: string
}

export interface RunningContender {
  readonly port: number
  readonly parts: readonly UsagePart[]
  /** How many accepted webhooks still wait to be worked on; those that nobody works on do not count. */
  countBacklog?(): Promise<number>
  expectAlive(): void
  stop(): Promise<void>
}
