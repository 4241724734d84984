import { existsSync, readFileSync } from 'node:fs'

/** A handler that does nothing. */
export function idleHandler(name: string): string {
  return `export default { name: '${name}', on: ['analysis.completed'], handle() {} }\n`
}

/**
 * A handler that writes down when it began with each analysis, in microseconds of the machine's monotonic clock, and
 * then takes `runMs`.
 */
export function recordingHandler(file: string, runMs: number): string {
  return `import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export default {
  name: 'record',
  on: ['analysis.completed'],
  async handle({ analysisId }) {
    const at = process.hrtime.bigint() / 1000n
    appendFileSync(${JSON.stringify(file)}, analysisId + ' ' + at + '\\n')
    if (${runMs} > 0) await sleep(${runMs})
  },
}
`
}

/** What the recording handler wrote: each start of a run, in their order. */
export function readRecords(file: string): { id: string; atMicroseconds: number }[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes(' '))
    .map((line) => {
      const [id = '', at] = line.split(' ')
      return { id, atMicroseconds: Number(at) }
    })
}
