import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StartError } from '../errors.ts'

const SQLITE_BUSY = 5
/** SQLite takes the lock in steps; of several starters in the middle of them, each may have to let go once. */
const SETTLE_MS = 500

/**
 * Makes this process the only service on a data directory, until `release` or its end, however it ends. The lock is
 * the operating system's, taken on an empty file through SQLite, as Node has no call for it: unlike a file with a
 * process number it is never stale, and two starters cannot both take it.
 * @throws StartError when another service holds it
 */
export function lockDataDir(dataDir: string): { release(): void } {
  const holderFile = join(dataDir, 'service.pid')
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(join(dataDir, 'service.lock'), { timeout: SETTLE_MS })
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock?.close()
    const { errcode, message } = error as Error & { errcode?: number }
    const text =
      errcode === SQLITE_BUSY
        ? `Another service (process ${readHolder(holderFile)}) is running on ${dataDir}; end it, or set DATA_DIR to another folder.`
        : `The folder ${dataDir} cannot be locked (${message}); see its file service.lock, or set DATA_DIR to another folder.`
    throw new StartError('CALLCOV_DATA_DIR', text)
  }
  const held = lock
  // Collected as garbage, it would be released.
  locks.add(held)
  writeFileSync(holderFile, String(process.pid), { mode: 0o600 })
  return {
    release() {
      locks.delete(held)
      held.close()
    },
  }
}

const locks = new Set<DatabaseSync>()

function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return 'unknown'
  }
}
