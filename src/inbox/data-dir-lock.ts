import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, StartError } from '../errors.ts'
import { isAlive, processIdentity } from './process-state.ts'

/**
 * Makes this process the only service on a data directory, until `release`. A lock whose process is gone, or
 * whose number now belongs to another process, is taken over.
 * @throws StartError when another service holds it
 */
export function lockDataDir(dataDir: string): { release(): void } {
  const path = join(dataDir, 'service.lock')
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (create(path)) return { release: () => rmSync(path, { force: true }) }
    const holder = readIfPresent(path)
    if (holder === undefined) continue
    if (isHeld(holder)) {
      throw new StartError(
        'CALLCOV_DATA_DIR',
        `Another service (process ${holder.split(' ', 1)[0]}) is running on ${dataDir}; end it, or set DATA_DIR to another folder.`,
      )
    }
    removeStale(path, holder)
  }
  throw new StartError('CALLCOV_DATA_DIR', `Several services are starting on ${dataDir} at once; start one.`)
}

/** False when there is one already. Linked into place, so that nobody ever sees a lock without its holder. */
function create(path: string): boolean {
  const own = `${path}.${process.pid}`
  writeFileSync(own, processIdentity(process.pid), { mode: 0o600 })
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own)
  }
}

/** Two starters may judge one lock stale: whoever moves away the fresh lock of the other puts it back. */
function removeStale(path: string, stale: string): void {
  const aside = `${path}.${process.pid}.stale`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (readIfPresent(aside) !== stale) linkSync(aside, path)
  rmSync(aside, { force: true })
}

function isHeld(holder: string): boolean {
  const pid = Number(holder.split(' ', 1)[0])
  return pid > 0 && isAlive(pid) && processIdentity(pid) === holder && pid !== process.pid
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
