// Run as a process of its own: archives the analyses <prefix>0 to <prefix><count - 1>, as many at once as a worker
// does, and says of each when it is done.
import { argv, stdout } from 'node:process'
import { createArchiveHandler } from '../../src/handlers/builtin/archive/index.ts'
import { callHandler } from './handler-call.ts'

const CONCURRENCY = 20
const [, , dir = '', prefix = '', count = '0', receivedAt = ''] = argv

const handler = createArchiveHandler({ dir, keepMs: undefined, dedupeTtlMs: 30 * 86_400_000 })
let next = 0

async function archiveTheRest(): Promise<void> {
  while (next < Number(count)) {
    const id = `${prefix}${next}`
    next += 1
    // Without the random parts, so that each run of this program archives the same.
    const body = JSON.stringify({ id, status: 'completed', results: {}, padding: id.repeat(300) })
    await callHandler(handler, { body, receivedAt })
    stdout.write(`${id}\n`)
  }
}

await Promise.all(Array.from({ length: CONCURRENCY }, archiveTheRest))
await handler.stop?.()
