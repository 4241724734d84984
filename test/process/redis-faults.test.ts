import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { post, signedDelivery, type Delivery } from '../support/deliveries.ts'
import { sendAtRate } from '../support/load.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const ANSWER_LIMIT_MS = 4500
const RECOVERY_LIMIT_MS = 5000

it('answers every webhook in time while Redis is frozen, and accepts again soon after, without a restart', async () => {
  const { redis, service, file } = await startPair()
  redis.freeze()
  const during = await sendAtRate(service.webhookUrl, 10, deliveries(60))
  expect(Object.keys(during.statuses)).toEqual(['503'])
  expect(Math.max(...during.durationsMs)).toBeLessThan(ANSWER_LIMIT_MS)

  redis.thaw()
  await expectRecovery(service)
  await expectHandled(file, during.acknowledged)
})

it('answers every webhook in time when Redis is killed, and handles all it acknowledged after Redis is back', async () => {
  const { redis, service, file } = await startPair()
  let killed = false
  const load = sendAtRate(service.webhookUrl, 100, deliveries(2000), () => killed)
  await waitForRuns(file, 50)
  await redis.kill()
  const refused = await post(service.webhookUrl, signedDelivery())
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60'])
  killed = true
  const { acknowledged, statuses, durationsMs } = await load
  expect(Object.keys(statuses).toSorted()).toEqual(['200', '503'])
  expect(Math.max(...durationsMs)).toBeLessThan(ANSWER_LIMIT_MS)

  await redis.start()
  await expectRecovery(service)
  await expectHandled(file, acknowledged)
})

it('starts without Redis, answers 503, and accepts once Redis is there', async () => {
  const redis = await startRedis()
  await redis.stop()
  const file = join(tempDir(), 'runs')
  const service = await startService({
    env: { REDIS_URL: redis.url },
    handlers: { 'recorder.ts': recordingHandler(file) },
  })
  const refused = await sendAtRate(service.webhookUrl, 20, deliveries(20))
  expect(refused.statuses).toEqual({ 503: 20 })
  expect(Math.max(...refused.durationsMs)).toBeLessThan(ANSWER_LIMIT_MS)
  const health = await fetch(`${service.url}/health/ready`)
  expect([health.status, await health.json()]).toEqual([
    503,
    { status: 'unavailable', reason: 'redis-unreachable' },
  ])

  await redis.start()
  await expectRecovery(service)
  await waitForRuns(file, 1)
})

it('takes a webhook it answered with 503, but stored all the same, for a duplicate when it comes again', async () => {
  const { redis, service, file } = await startPair()
  const id = randomUUID()
  const delivery = signedDelivery({ fields: { id } })
  redis.freeze()
  expect((await post(service.webhookUrl, delivery)).status).toBe(503)
  redis.thaw()
  await waitForRuns(file, 1)
  await waitFor('the duplicate to be acknowledged', async () => (await post(service.webhookUrl, delivery)).ok)
  await expectRecovery(service)
  await waitForRuns(file, 2)
  expect(recordedRuns(file).filter((run) => run.analysisId === id)).toHaveLength(1)
})

async function startPair(): Promise<{ redis: RedisServer; service: Service; file: string }> {
  const redis = await startRedis()
  const file = join(tempDir(), 'runs')
  const service = await startService({
    env: { REDIS_URL: redis.url },
    handlers: { 'recorder.ts': recordingHandler(file) },
  })
  await expectRecovery(service)
  return { redis, service, file }
}

async function expectRecovery(service: Service): Promise<void> {
  await waitFor(
    'a webhook to be acknowledged',
    async () => (await post(service.webhookUrl, signedDelivery())).ok,
    {
      withinMs: RECOVERY_LIMIT_MS,
    },
  )
}

async function expectHandled(file: string, acknowledged: readonly Delivery[]): Promise<void> {
  const ids = acknowledged.map(({ body }) => (JSON.parse(String(body)) as { id: string }).id)
  await waitFor('everything acknowledged to be handled', () => {
    const handled = new Set(recordedRuns(file).map((run) => run.analysisId))
    return ids.every((id) => handled.has(id))
  })
}

function* deliveries(count: number): Generator<Delivery> {
  for (let sent = 0; sent < count; sent += 1) yield signedDelivery()
}
