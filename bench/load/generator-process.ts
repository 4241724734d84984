import type { BodySize } from './bodies.ts'
import type { GeneratorMessage, GeneratorTask } from './messages.ts'
import { runLoad } from './run-load.ts'
import { signRequests, type SignedRequest } from './signed-requests.ts'

/** Makes the load, in a process of its own: what it takes of the processor is not counted as anybody else's. */

interface Pool {
  readonly requests: readonly SignedRequest[]
  next: Iterator<SignedRequest>
}

const pools = new Map<BodySize, Pool>()

function tell(message: GeneratorMessage): void {
  process.send?.(message)
}

async function handle(task: GeneratorTask): Promise<void> {
  if (task.kind === 'prepare') {
    const before = pools.get(task.size)?.requests ?? []
    const requests = [...before, ...signRequests(task.size, Math.max(task.count - before.length, 0))]
    pools.set(task.size, { requests, next: requests.values() })
    tell({ kind: 'prepared' })
    return
  }
  const pool = pools.get(task.size)
  if (pool === undefined) throw new RangeError(`no requests of ${task.size} are prepared`)
  if (task.startsOver) pool.next = pool.requests.values()
  tell({ kind: 'loaded', result: await runLoad(task, pool.next) })
}

process.on('message', (task: GeneratorTask) => void handle(task))
// Ctrl-C in the terminal reaches every process of the group; the parent decides when this one ends.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
