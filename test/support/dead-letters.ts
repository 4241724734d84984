import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { encodeMetadata } from '../../src/inbox/envelope.ts'
import { sha256Hex } from '../../src/inbox/delivery-id.ts'
import { completedAnalysis } from './deliveries.ts'
import { jsonOf } from './command.ts'
import { waitFor } from './wait.ts'

const PER_PIPELINE = 1000

/** Writes deliveries that were dispatched and that a handler gave up, as BullMQ keeps them, without running them. */
export async function fillDeadLetters(redis: Redis, handler: string, count: number): Promise<void> {
  const [inbox, queue] = ['callcov:inbox:', `callcov:handler-${handler}:`]
  await redis.sadd('callcov:handlers', handler)
  for (let done = 0; done < count;) {
    const pipeline = redis.pipeline()
    for (const end = Math.min(done + PER_PIPELINE, count); done < end; done += 1) {
      const body = Buffer.from(JSON.stringify({ ...completedAnalysis(), id: `anl-${done}` }))
      const sha256 = sha256Hex(body)
      const jobId = `${randomUUID()}-${sha256.slice(0, 16)}`
      const at = Date.now() - count + done
      const name = encodeMetadata({
        version: 1,
        source: 'callcov',
        type: 'analysis.completed',
        id: `anl-${done}`,
        receivedAt: at,
        bytes: body.length,
        sha256,
        encoding: 'base64',
        origin: 'webhook',
      })
      const ended = { timestamp: at, finishedOn: at, atm: 1, opts: '{}', delay: 0, priority: 0 }
      const data = JSON.stringify(body.toString('base64'))
      pipeline.hset(inbox + jobId, { ...ended, name, data, returnvalue: JSON.stringify([handler]) })
      pipeline.zadd(`${inbox}completed`, at, jobId)
      const given = { name: 'analysis.completed', data: `{"bytes":${body.length}}` }
      pipeline.hset(queue + jobId, { ...ended, ...given, failedReason: 'failed: Error: the CRM was down' })
      pipeline.zadd(`${queue}failed`, at, jobId)
    }
    await pipeline.exec()
  }
}

/** Waits until the command lists exactly so many dead letters, and returns them. */
export async function waitForDead(
  env: NodeJS.ProcessEnv,
  count: number,
  ...args: string[]
): Promise<Record<string, unknown>[]> {
  return await waitFor(`${count} dead letters`, async () => {
    const dead = await jsonOf(['deliveries', ...args], env)
    return dead.length === count && dead
  })
}
