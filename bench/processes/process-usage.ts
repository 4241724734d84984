import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** In which the system counts processor time. */
const TICKS_PER_SECOND = 100
const BYTES_PER_KB = 1024

/** Some processes of one contender that are told apart from its others. */
export interface UsagePart {
  readonly name: string
  /** Of the group's first process. */
  readonly group: number
  readonly which: 'all' | 'first' | 'others'
}

export interface Usage {
  /** Children that have ended count with the process that started them. */
  readonly cpuSeconds: number
  readonly residentBytes: number
  /** The most since the process started, or since `forgetPeaks`. */
  readonly peakBytes: number
}

/** What the processes of each part take, by its name. */
export function usageOf(parts: readonly UsagePart[]): Map<string, Usage> {
  const processes = listProcesses()
  return new Map(
    parts.map((part) => {
      const own = processes.filter((found) => isPartOf(found, part))
      const sum = (of: (found: FoundProcess) => number) => own.reduce((total, found) => total + of(found), 0)
      return [
        part.name,
        {
          cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
          residentBytes: sum(({ pid }) => memory(pid, 'VmRSS')),
          peakBytes: sum(({ pid }) => memory(pid, 'VmHWM')),
        },
      ]
    }),
  )
}

/** Lets the peak of each process be what it has now. */
export function forgetPeaks(parts: readonly UsagePart[]): void {
  for (const found of listProcesses()) {
    if (!parts.some((part) => isPartOf(found, part))) continue
    try {
      writeFileSync(`/proc/${found.pid}/clear_refs`, '5')
    } catch {
      // It has just ended.
    }
  }
}

/** The processes of a group besides its first one. */
export function childrenOf(group: number): number[] {
  return listProcesses().flatMap((found) => (found.group === group && found.pid !== group ? [found.pid] : []))
}

interface FoundProcess {
  readonly pid: number
  readonly group: number
  readonly cpuSeconds: number
}

function isPartOf({ pid, group }: FoundProcess, part: UsagePart): boolean {
  return group === part.group && (part.which === 'all' || (part.which === 'first') === (pid === group))
}

function listProcesses(): FoundProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = readIfPresent(`/proc/${name}/stat`)
      if (stat === undefined) return []
      // Behind the name, which is in brackets and may hold blanks.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const ticks = fields.slice(11, 15).reduce((total, field) => total + Number(field), 0)
      return [{ pid: Number(name), group: Number(fields[2]), cpuSeconds: ticks / TICKS_PER_SECOND }]
    })
}

function memory(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readIfPresent(`/proc/${pid}/status`) ?? ''
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * BYTES_PER_KB
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
