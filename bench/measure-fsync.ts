import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { percentilesOf } from './statistics.ts'
import { pause } from './wait-for.ts'

const WRITE_BYTES = 4096
const WRITES_PER_TURN = 20

export interface FsyncTimes {
  readonly writes: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What the disk takes until an append of 4 KB is safe, written and synced as Redis does it, one after the other. */
export async function measureFsync(
  folder: string,
  seconds: number,
  signal: AbortSignal,
): Promise<FsyncTimes> {
  const path = join(folder, 'fsync')
  const file = openSync(path, 'a')
  const bytes = Buffer.alloc(WRITE_BYTES, 1)
  const times: number[] = []
  const until = performance.now() + seconds * 1000
  try {
    while (performance.now() < until) {
      for (let write = 0; write < WRITES_PER_TURN; write += 1) {
        const startedAt = performance.now()
        writeSync(file, bytes)
        fdatasyncSync(file)
        times.push(performance.now() - startedAt)
      }
      await pause(0, signal)
    }
  } finally {
    closeSync(file)
    rmSync(path)
  }
  const { p50, p99 } = percentilesOf(times)
  return { writes: times.length, p50Ms: p50, p99Ms: p99 }
}
