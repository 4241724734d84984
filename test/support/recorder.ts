import { existsSync, readFileSync } from 'node:fs'
import { waitFor } from './wait.ts'

export interface RecordedRun {
  readonly handler: string
  readonly analysisId: string
  readonly type: string
  readonly deliveryId: string
  readonly attempt: number
  readonly at: number
}

/**
 * The text of a handler file that notes each of its runs as a line in `file`, and then does what `does` says, with
 * `event`, `context` and `note` in scope.
 */
export function recordingHandler(file: string, { name = 'recorder', does = '', options = '' } = {}): string {
  return `import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PermanentError, RetryLater } from 'callcov-webhook-receiver'
const note = (event, context) => appendFileSync(${JSON.stringify(file)}, JSON.stringify({
  handler: ${JSON.stringify(name)}, analysisId: event.analysisId, type: event.type,
  deliveryId: context.delivery.id, attempt: context.attempt, at: Date.now(),
}) + '\\n')
export default {
  name: ${JSON.stringify(name)},
  on: ['analysis.completed', 'analysis.failed'],
  ${options}
  async handle(event, context) {
    note(event, context)
    ${does}
  },
}
`
}

/** All runs noted so far. */
export function recordedRuns(file: string): RecordedRun[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as RecordedRun)
}

/** Waits until at least `count` runs are noted. */
export async function waitForRuns(file: string, count: number, withinMs = 20_000): Promise<RecordedRun[]> {
  return await waitFor(
    `${count} handler runs`,
    () => {
      const runs = recordedRuns(file)
      return runs.length >= count && runs
    },
    { withinMs },
  )
}
