import { randomUUID } from 'node:crypto'
import { Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Deliveries } from '../../src/inbox/deliveries.ts'
import { encodeBody, encodeMetadata } from '../../src/inbox/envelope.ts'
import { sha256Hex } from '../../src/inbox/delivery-id.ts'
import { forget } from '../../src/inbox/forget.ts'
import { listJobs } from '../../src/inbox/listed-jobs.ts'
import { PayloadKeys } from '../../src/inbox/payload-keys.ts'
import { addJob, handlerJob, handlerQueueName, INBOX_QUEUE, openQueue } from '../../src/inbox/queues.ts'
import { connectForWorking } from '../../src/inbox/redis-connection.ts'
import { fillDeadLetters } from '../support/dead-letters.ts'
import { startRedis } from '../support/redis-server.ts'
import { waitFor } from '../support/wait.ts'

const log = pino({ level: 'silent' })

/** An inbox on a real Redis, whose jobs end as they are told. */
async function openInbox() {
  const server = await startRedis()
  const redis = connectForWorking(server.url, log)
  onTestFinished(() => redis.disconnect())
  const connection = { redis, prefix: 'callcov', keys: new PayloadKeys(), log }
  await redis.sadd('callcov:handlers', 'crm', 'desk')
  return { redis, connection, deliveries: new Deliveries(connection) }
}
type OpenInbox = Awaited<ReturnType<typeof openInbox>>

/** Adds a delivery and lets a worker of BullMQ end it. */
async function addDelivery({ connection }: OpenInbox, id: string, failure?: string): Promise<string> {
  const body = Buffer.from(JSON.stringify({ id }))
  const sha256 = sha256Hex(body)
  const { encoding, data } = await encodeBody(body, connection.keys)
  const name = encodeMetadata({
    version: 1,
    source: 'callcov',
    type: 'analysis.completed',
    id,
    receivedAt: Date.now(),
    bytes: body.length,
    sha256,
    encoding,
    origin: 'webhook',
  })
  const jobId = `${randomUUID()}-${sha256.slice(0, 16)}`
  await openQueue(INBOX_QUEUE, connection).add(name, data, { jobId })
  await runNext(connection, INBOX_QUEUE, failure)
  return jobId
}

async function addHandlerJob({ connection }: OpenInbox, handler: string, jobId: string): Promise<void> {
  await addJob(openQueue(handlerQueueName(handler), connection), handlerJob(jobId, 10))
}

/** Takes the next job as a worker does, and ends it. */
async function runNext({ redis, prefix }: { redis: Redis; prefix: string }, queue: string, failure?: string) {
  const worker = new Worker(queue, null, { connection: redis, prefix })
  try {
    const job = await worker.getNextJob('token', { block: false })
    if (failure === undefined) await job?.moveToCompleted([], 'token', false)
    else await job?.moveToFailed(new Error(failure), 'token', false)
    return job
  } finally {
    await worker.close()
  }
}

describe('a replay', () => {
  it('is one run, one count and a whole number of attempts, however many ask for it at once', async () => {
    const inbox = await openInbox()
    const jobId = await addDelivery(inbox, 'anl-1')
    await addHandlerJob(inbox, 'crm', jobId)
    await runNext(inbox.connection, 'handler-crm', 'failed: no')
    const queue = openQueue('handler-crm', inbox.connection)
    await inbox.redis.hset(queue.toKey(jobId), { stc: 1, crashes: 5 })

    const asked = await Promise.all(Array.from({ length: 20 }, () => inbox.deliveries.replay(jobId, 'dead')))
    const results = asked.flat().map(({ result }) => result)
    expect(results.filter((result) => result === 'replayed')).toHaveLength(1)
    expect(await queue.getJobCounts('wait', 'failed', 'completed')).toEqual({
      wait: 1,
      failed: 0,
      completed: 0,
    })
    const job = await runNext(inbox.connection, 'handler-crm')
    expect(job).toMatchObject({ id: jobId, progress: { replay: 1 }, attemptsMade: 1, stalledCounter: 0 })
    expect(await inbox.redis.hexists(queue.toKey(jobId), 'crashes')).toBe(0)
    expect(await queue.getJobState(jobId)).toBe('completed')

    expect(await inbox.deliveries.replayDead(jobId, 'crm')).toEqual({ handler: 'crm', result: 'busy' })
    expect(await inbox.deliveries.replay(jobId, ['crm'])).toEqual([{ handler: 'crm', result: 'replayed' }])
    expect(await runNext(inbox.connection, 'handler-crm')).toMatchObject({ progress: { replay: 2 } })
  })

  it('wakes a worker that waits for jobs', async () => {
    const inbox = await openInbox()
    const jobId = await addDelivery(inbox, 'anl-2')
    await addHandlerJob(inbox, 'crm', jobId)
    await runNext(inbox.connection, 'handler-crm', 'failed: no')
    const ran: (string | undefined)[] = []
    const worker = new Worker('handler-crm', async (job: Job) => void ran.push(job.id), {
      connection: inbox.redis,
      prefix: 'callcov',
    })
    onTestFinished(() => worker.close())
    await worker.waitUntilReady()
    await inbox.deliveries.replay(jobId, 'dead')
    await waitFor('the run', () => ran.length > 0, { withinMs: 3000 })
  })

  it('of a delivery whose body is gone is refused, and changes nothing', async () => {
    const inbox = await openInbox()
    const jobId = await addDelivery(inbox, 'anl-3')
    await addHandlerJob(inbox, 'crm', jobId)
    await runNext(inbox.connection, 'handler-crm', 'failed: no')
    await inbox.redis.del(`callcov:inbox:${jobId}`)
    expect(await inbox.deliveries.replayDead(jobId, 'crm')).toEqual({ handler: 'crm', result: 'gone' })
    expect(await inbox.redis.zcard('callcov:handler-crm:failed')).toBe(1)
    expect(await inbox.deliveries.feed(randomUUID(), 'crm')).toEqual({ handler: 'crm', result: 'gone' })
  })
})

describe('discarding', () => {
  it('leaves a delivery of the inbox as long as a handler needs its body', async () => {
    const inbox = await openInbox()
    const jobId = await addDelivery(inbox, 'anl-4', 'crashed: half of it was dispatched')
    await addHandlerJob(inbox, 'crm', jobId)
    expect(await inbox.deliveries.discard(jobId, null)).toBe(false)
    await runNext(inbox.connection, 'handler-crm')
    expect(await inbox.deliveries.discard(jobId, null)).toBe(true)
    expect(await inbox.deliveries.show(jobId)).toBeUndefined()
    expect(await inbox.deliveries.discard(jobId, null)).toBe(false)
  })
})

describe('forgetting', () => {
  it('erases nothing of a delivery that a handler is working on, and the rest when it is done', async () => {
    const inbox = await openInbox()
    const jobId = await addDelivery(inbox, 'anl-5')
    await addHandlerJob(inbox, 'crm', jobId)
    await runNext(inbox.connection, 'handler-crm', 'failed: no')
    await addHandlerJob(inbox, 'desk', jobId)
    const worker = new Worker('handler-desk', null, { connection: inbox.redis, prefix: 'callcov' })
    const running = await worker.getNextJob('token', { block: false })
    expect(await forget(inbox.connection, 'anl-5')).toEqual({ erased: 0, running: [jobId], rewritten: false })
    expect((await inbox.deliveries.show(jobId))?.jobs).toHaveLength(3)

    await running?.moveToCompleted(null, 'token', false)
    await worker.close()
    expect(await forget(inbox.connection, 'anl-5')).toEqual({ erased: 1, running: [], rewritten: true })
    expect(await inbox.redis.keys(`*${jobId}*`)).toEqual([])
    expect(await forget(inbox.connection, 'anl-5')).toEqual({ erased: 0, running: [], rewritten: true })
  })
})

describe('listing', () => {
  it('reads no further than the time it is asked for', async () => {
    const { redis, connection } = await openInbox()
    await fillDeadLetters(redis, 'crm', 3000)
    const all = await Array.fromAsync(listJobs(connection, { state: 'dead' }))
    const since = all[9]?.at ?? 0
    const before = await commandsOf(redis)
    const recent = await Array.fromAsync(listJobs(connection, { state: 'dead', since }))
    expect(recent.map(({ jobId }) => jobId)).toEqual(all.slice(0, 10).map(({ jobId }) => jobId))
    expect((await commandsOf(redis)) - before).toBeLessThan(1100)
  })
})

async function commandsOf(redis: Redis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1])
}
