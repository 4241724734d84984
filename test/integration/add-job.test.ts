import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { addJob, INBOX_QUEUE, openQueue } from '../../src/inbox/queues.ts'
import { startRedis } from '../support/redis-server.ts'

const TTL_MS = 60_000

it('leaves in Redis what the add of BullMQ itself does, but for options that say nothing', async () => {
  const { queue, redis } = await startQueue()
  const [ours, theirs] = [randomUUID(), randomUUID()]
  await addJob(queue, { jobId: ours, name: 'a', data: '"YQ=="', deduplication: { id: 'ours', ttl: TTL_MS } })
  await queue.add('a', 'YQ==', { jobId: theirs, deduplication: { id: 'theirs', ttl: TTL_MS } })

  const hash = async (id: string) => {
    const { timestamp, opts = '', ...fields } = await redis.hgetall(`add:inbox:${id}`)
    expect(Math.abs(Date.now() - Number(timestamp))).toBeLessThan(TTL_MS)
    return { ...fields, opts: JSON.parse(opts) as Record<string, unknown> }
  }
  expect(await hash(ours)).toEqual({
    ...(await hash(theirs)),
    deid: 'ours',
    opts: { de: { id: 'ours', ttl: TTL_MS } },
  })
  expect(await redis.lrange('add:inbox:wait', '0', '-1')).toEqual([theirs, ours])
  expect(await redis.get('add:inbox:de:ours')).toBe(ours)
  expect(await redis.pttl('add:inbox:de:ours')).toBeGreaterThan(TTL_MS / 2)
  expect((await queue.getJob(ours))?.data).toBe('YQ==')
})

it('tells the first job of an outcome, and is harmless when it is repeated', async () => {
  const { queue, redis } = await startQueue()
  const [first, second] = [randomUUID(), randomUUID()]
  const add = (jobId: string) =>
    addJob(queue, { jobId, name: 'a', data: '"YQ=="', deduplication: { id: 'same', ttl: TTL_MS } })
  expect([await add(first), await add(first), await add(second)]).toEqual([first, first, first])
  expect(await redis.lrange('add:inbox:wait', '0', '-1')).toEqual([first])
  expect(await redis.exists(`add:inbox:${second}`)).toBe(0)
})

async function startQueue() {
  const server = await startRedis()
  const redis = new Redis(server.url)
  onTestFinished(() => redis.disconnect())
  return { redis, queue: openQueue(INBOX_QUEUE, { redis, prefix: 'add', log: pino({ level: 'silent' }) }) }
}
