import { readFileSync } from 'node:fs'
import { errorCode } from '../errors.ts'

/**
 * Whether the process runs. One that has ended counts as gone also while its parent has not noticed, as it happens
 * to orphans in containers.
 */
export function isAlive(pid: number): boolean {
  if (isZombie(pid)) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** Linux tells in the field behind the name, which is in brackets and may hold blanks. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return false
  }
}
