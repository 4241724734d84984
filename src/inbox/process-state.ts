import { readFileSync } from 'node:fs'
import { errorCode } from '../errors.ts'

/**
 * Whether the process runs. One that has ended counts as gone also while its parent has not noticed, as it happens
 * to orphans in containers.
 */
export function isAlive(pid: number): boolean {
  if (readStat(pid)?.state === 'Z') return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** The process number with its start time, where the system tells it: numbers come again, the pair does not. */
export function processIdentity(pid: number): string {
  const stat = readStat(pid)
  return stat === undefined ? String(pid) : `${pid} ${stat.startTime}`
}

/** From Linux' `/proc/<pid>/stat`: fields 3 and 22, counted from behind the name, which may hold blanks. */
function readStat(pid: number): { state: string | undefined; startTime: string | undefined } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0], startTime: fields[19] }
  } catch {
    return undefined
  }
}
