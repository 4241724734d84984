import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { formatNumber, markdownTable } from './format.ts'

const SHOWN = 30
/** The processor waits for work in them. */
const IDLE = new Set(['(idle)', '(root)'])

/** A profile as V8 writes it, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Shares of the time that a process was busy. */
export interface FunctionTime {
  readonly name: string
  readonly self: number
  /** With what it called. */
  readonly total: number
}

/** Where a process spent its time. */
export function functionTimes({ nodes, samples, timeDeltas }: CpuProfile): FunctionTime[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const callers = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id])))
  const self = new Map<string, number>()
  const total = new Map<string, number>()
  const add = (times: Map<string, number>, name: string, time: number) =>
    times.set(name, (times.get(name) ?? 0) + time)
  let busy = 0
  for (const [index, sample] of samples.entries()) {
    const name = names.get(sample)
    if (name === undefined || IDLE.has(name)) continue
    const time = timeDeltas[index] ?? 0
    busy += time
    add(self, name, time)
    // A function that calls itself is on the stack more than once.
    const onStack = new Set<string>()
    for (let node: number | undefined = sample; node !== undefined; node = callers.get(node)) {
      onStack.add(names.get(node) ?? '')
    }
    for (const each of onStack) add(total, each, time)
  }
  return [...total]
    .filter(([name]) => !IDLE.has(name))
    .map(([name, time]) => ({ name, self: (self.get(name) ?? 0) / busy, total: time / busy }))
}

/** The profiles of a folder as tables in Markdown, a process each. */
export function describeProfiles(folder: string): string {
  const files = readdirSync(folder).filter((file) => file.endsWith('.cpuprofile'))
  return files
    .map((file) => {
      const times = functionTimes(JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile)
      const tables = (['self', 'total'] as const).map((kind) => describeTimes(times, kind))
      return `## ${basename(file)}\n\n${tables.join('\n')}`
    })
    .join('\n')
}

function describeTimes(times: readonly FunctionTime[], kind: 'self' | 'total'): string {
  const rows = times
    .toSorted((a, b) => b[kind] - a[kind])
    .slice(0, SHOWN)
    .map((time) => [`${formatNumber(time[kind] * 100)} %`, time.name])
  return markdownTable([kind === 'self' ? 'itself' : 'with what it calls', 'function'], rows)
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const file = url.replace(/^.*\/(?=(?:src|node_modules)\/)/, '').replace('node_modules/', '')
  const name = functionName || 'anonymous'
  return file === '' ? name : `${name} ${file}:${lineNumber + 1}`
}
