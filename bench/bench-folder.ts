import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BenchError } from './bench-error.ts'
import { fileSystemOf } from './machine.ts'

const NOT_ON_DISK = new Set(['tmpfs', 'ramfs', 'unknown'])

/**
 * Makes the folder of the bench where files really get to a disk.
 * @throws BenchError when there is no such place
 */
export function makeBenchFolder(): string {
  const base = [tmpdir(), '/var/tmp', process.cwd()].find((path) => !NOT_ON_DISK.has(fileSystemOf(path)))
  if (base === undefined) {
    throw new BenchError(
      'No folder here is on a disk; set TMPDIR to one, or nothing said of durability is true.',
    )
  }
  return mkdtempSync(join(base, 'callcov-bench-'))
}
