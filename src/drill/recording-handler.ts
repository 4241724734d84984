import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** What the handler of a drill writes: a line per run that reached its end. */
export interface RecordedRun {
  readonly analysisId: string
  readonly deliveryId: string
  readonly attempt: number
}

/** Long enough for a fault to strike in the midst of it. */
const RUN_MS = 10

export const runsFile = (folder: string) => join(folder, 'runs.jsonl')
const pidFile = (folder: string) => join(folder, 'worker.pid')

/**
 * The text of the handler file. A run is noted at its end, as one that was cut off before has not done its work;
 * the process writes down its number, which is portable, where the list of processes is not.
 */
export function recordingHandler(folder: string): string {
  return `import { appendFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

writeFileSync(${JSON.stringify(pidFile(folder))}, String(process.pid))

export default {
  name: 'drill',
  on: ['analysis.completed', 'analysis.failed'],
  async handle({ analysisId }, { delivery, attempt }) {
    await sleep(${RUN_MS})
    const line = JSON.stringify({ analysisId, deliveryId: delivery.id, attempt })
    appendFileSync(${JSON.stringify(runsFile(folder))}, line + '\\n')
  },
}
`
}

/** The worker's process number; `undefined` while none has loaded its handlers. */
export function readWorkerPid(folder: string): number | undefined {
  const path = pidFile(folder)
  const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0
  return pid > 0 ? pid : undefined
}

/** Before the worker is ended: its number may soon be another process's. */
export function forgetWorkerPid(folder: string): void {
  rmSync(pidFile(folder), { force: true })
}
