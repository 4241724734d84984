import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BODY_SIZES, type BodySize } from './load/bodies.ts'
import type { LoadGenerator } from './load/load-generator.ts'
import type { Site } from './processes/bench-process.ts'

/** What every part of the bench works with. */
export interface BenchContext extends Omit<Site, 'folder'> {
  /** On a real disk, as what is measured is how fast things get there. */
  readonly folder: string
  readonly generator: LoadGenerator
  /** Tells the person who waits how far it is. */
  readonly say: (line: string) => void
}

/** Does some work in an empty folder, which is gone afterwards. */
export async function withSite<Result>(
  { folder, belongings, signal, environment }: BenchContext,
  work: (site: Site) => Promise<Result>,
): Promise<Result> {
  const own = mkdtempSync(join(folder, 'site-'))
  try {
    return await work({ folder: own, belongings, signal, environment })
  } finally {
    rmSync(own, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
}

/** More than any contender accepts in a second on a machine of today. */
const MOST_PER_SECOND = { '1.5KB': 45_000, '64KB': 12_000, '1MB': 1200 }

/** Signs as many requests as so many seconds of load may take, and some more. */
export async function prepareRequests(
  { generator }: BenchContext,
  seconds: number,
  sizes: readonly BodySize[] = BODY_SIZES,
  more = 0,
): Promise<void> {
  for (const size of sizes) await generator.prepare(size, Math.ceil(MOST_PER_SECOND[size] * seconds) + more)
}
