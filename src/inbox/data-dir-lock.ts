import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, StartError } from '../errors.ts'

/**
 * Makes this process the only service on a data directory, until `release`. A lock whose process is gone, or
 * whose number now belongs to another process, is taken over.
 * @throws StartError when another service holds it
 */
export function lockDataDir(dataDir: string): { release(): void } {
  const path = join(dataDir, 'service.lock')
  const mine = processIdentity(process.pid) ?? String(process.pid)
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      writeFileSync(path, mine, { flag: 'wx', mode: 0o600 })
      return { release: () => rmSync(path, { force: true }) }
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
    }
    const holder = readIfPresent(path)
    if (holder === undefined) continue
    if (isAlive(holder)) {
      throw new StartError(
        'CALLCOV_DATA_DIR',
        `Another service (process ${holder.split(' ', 1)[0]}) is running on ${dataDir}; end it, or set DATA_DIR to another folder.`,
      )
    }
    removeStale(path, holder)
  }
  throw new StartError('CALLCOV_DATA_DIR', `Several services are starting on ${dataDir} at once; start one.`)
}

/** Two starters may judge one lock stale: whoever moves away the fresh lock of the other puts it back. */
function removeStale(path: string, stale: string): void {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (readIfPresent(aside) !== stale) linkSync(aside, path)
  rmSync(aside, { force: true })
}

function isAlive(holder: string): boolean {
  const pid = Number(holder.split(' ', 1)[0])
  const identity = processIdentity(pid)
  if (identity !== undefined) return identity === holder
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** The process number with its start time (field 22 of its `stat`), where the system tells: numbers come again. */
function processIdentity(pid: number): string | undefined {
  const stat = readIfPresent(`/proc/${pid}/stat`)
  const startTime = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return startTime === undefined ? undefined : `${pid} ${startTime}`
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
