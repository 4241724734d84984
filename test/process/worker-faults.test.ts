import { getPriority } from 'node:os'
import { join } from 'node:path'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { completedAnalysis, post, signedDelivery } from '../support/deliveries.ts'
import { isRunning } from '../support/processes.ts'
import { percentile, sendAtRate } from '../support/load.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const POISON = 'poison'
/** Longest time from the end of a worker to the next run of what it held. */
const TAKEN_UP_WITHIN_MS = 20_000

it('runs a handler again within 20 s when the worker was killed during its run, with the same delivery id', async () => {
  const { service, runs } = await startWith({
    does: 'if (context.attempt === 1 && !globalThis.again) await sleep(60_000)',
  })
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 1)
  process.kill(await service.workerPid(), 'SIGKILL')
  const [first, second] = await waitForRuns(runs, 2, TAKEN_UP_WITHIN_MS)
  expect(second?.deliveryId).toBe(first?.deliveryId)
  expect(second?.attempt).toBe(1)
})

it('keeps what a handler throws as a readable reason, whatever it is', async () => {
  const thrown = [
    'null',
    'undefined',
    '"a text"',
    '({})',
    'new Error("broken")',
    'new PermanentError("no such contact")',
  ]
  for (const value of thrown) {
    const { service, redis } = await startWith({
      does: `throw ${value}`,
      options: `attempts: 2, backoff: '10ms',`,
    })
    await post(service.webhookUrl, signedDelivery())
    const [dead] = await deadLetters(redis, 'handler-recorder', 1)
    const isPermanent = value.includes('Permanent')
    expect([value, dead?.attemptsMade]).toEqual([value, isPermanent ? 1 : 2])
    expect(dead?.reason).toMatch(
      isPermanent ? /^permanent: no such contact$/ : /^failed: .*(threw|thrown|Error: broken)/,
    )
    await service.stop()
  }
})

it('ends a run that never resolves at its timeout, retries it, and keeps it as a dead letter in the end', async () => {
  const { service, redis, runs } = await startWith({
    does: 'await new Promise(() => {})',
    options: `attempts: 2, backoff: '10ms', timeout: '300ms',`,
  })
  await post(service.webhookUrl, signedDelivery())
  const [dead] = await deadLetters(redis, 'handler-recorder', 1)
  expect(dead?.reason).toBe('timeout: the handler did not finish within 300 ms')
  expect(recordedRuns(runs).map((run) => run.attempt)).toEqual([1, 2])
})

it('starts afresh when more runs ignore their abort than the handler may have at once, and loses none', async () => {
  const { service, redis, runs } = await startWith({
    does: 'if (event.call.agentId === "stuck") await new Promise(() => {})',
    options: `attempts: 1, timeout: '100ms', concurrency: 2,`,
  })
  const before = await service.workerPid()
  const stuck = { fields: { call: { agent_id: 'stuck' } } }
  for (let count = 0; count < 3; count += 1) await post(service.webhookUrl, signedDelivery(stuck))
  await deadLetters(redis, 'handler-recorder', 3)
  await waitFor('another worker process', async () => (await service.workerPid()) !== before)
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 4)
})

it('asks again when the handler says, using up an attempt', async () => {
  const { service, redis, runs } = await startWith({
    does: `throw new RetryLater('300ms')`,
    options: 'attempts: 3,',
  })
  await post(service.webhookUrl, signedDelivery())
  await deadLetters(redis, 'handler-recorder', 1)
  const at = recordedRuns(runs).map((run) => run.at)
  expect(at).toHaveLength(3)
  for (const [index, time] of at.slice(1).entries())
    expect(time - (at[index] ?? time)).toBeGreaterThanOrEqual(290)
})

it('answers webhooks and runs other handlers while one handler blocks its event loop for 20 s', async () => {
  const redis = await startRedis()
  const dir = tempDir()
  const [blocking, healthy] = [join(dir, 'blocking'), join(dir, 'healthy')]
  const block = `if (event.analysisId === '${POISON}') { const end = Date.now() + 20_000; while (Date.now() < end); }`
  const service = await startService({
    env: { REDIS_URL: redis.url },
    handlers: {
      'blocking.ts': recordingHandler(blocking, { name: 'blocking', does: block }),
      'healthy.ts': recordingHandler(healthy, { name: 'healthy' }),
    },
  })
  await post(service.webhookUrl, poison())
  await waitFor('the handler to block', () => handledIds(blocking).has(POISON))
  const load = await sendAtRate(
    service.webhookUrl,
    100,
    Array.from({ length: 1000 }, () => signedDelivery()),
  )
  expect(load.statuses).toEqual({ 200: 1000 })
  expect(percentile(load.durationsMs, 0.99)).toBeLessThan(100)

  await waitFor('the healthy handler to see all', () => handledIds(healthy).size === 1001, {
    withinMs: 60_000,
  })
  const retried = () => recordedRuns(blocking).filter((run) => run.analysisId === POISON)
  await waitFor('the blocking delivery to be tried again', () => retried().length >= 2, { withinMs: 60_000 })
  const [first, second] = retried()
  expect(second?.deliveryId).toBe(first?.deliveryId)
}, 180_000)

it('lets answers come before handlers where both want the processor', async () => {
  const service = await startService()
  expect(getPriority(await service.workerPid())).toBeGreaterThan(getPriority(service.process.pid))
})

it('ends the worker, blocked or not, when the main process is killed', async () => {
  const { service, runs } = await startWith({ does: 'for (;;);' })
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 1)
  const worker = await service.workerPid()
  await service.stop('SIGKILL')
  await waitFor('the worker to end', () => !isRunning(worker))
})

async function startWith(handler: { does?: string; options?: string }): Promise<{
  redis: RedisServer
  service: Service
  runs: string
}> {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { REDIS_URL: redis.url },
    handlers: { 'recorder.ts': recordingHandler(runs, handler) },
  })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  return { redis, service, runs }
}

function poison() {
  return signedDelivery({ body: JSON.stringify({ ...completedAnalysis(), id: POISON }) })
}

function handledIds(file: string): Set<string> {
  return new Set(recordedRuns(file).map((run) => run.analysisId))
}

async function deadLetters(redis: RedisServer, queueName: string, count: number, withinMs = 30_000) {
  return await withQueue(redis, queueName, async (queue) => {
    const failed = await waitFor(
      `${count} dead letters`,
      async () => {
        const jobs = await queue.getFailed(0, 100)
        return jobs.length >= count && jobs
      },
      { withinMs, everyMs: 200 },
    )
    return failed.map((job) => ({ reason: job.failedReason, attemptsMade: job.attemptsMade }))
  })
}

async function withQueue<Result>(redis: RedisServer, name: string, work: (queue: Queue) => Promise<Result>) {
  const connection = new Redis(redis.socket, { maxRetriesPerRequest: null })
  const queue = new Queue(name, { connection, prefix: 'callcov' })
  try {
    return await work(queue)
  } finally {
    connection.disconnect()
  }
}
