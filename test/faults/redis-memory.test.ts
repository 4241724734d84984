import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { signedDelivery, type Delivery } from '../support/deliveries.ts'
import {
  cpuSeconds,
  during,
  expectAnswers,
  expectHandled,
  expectNoDeadLetters,
  expectRecovery,
  freshDeliveries,
  LINES_PER_SECOND,
  RECOVERY_LIMIT_MS,
  send,
  startRun,
  waitForReadiness,
  watchLines,
} from '../support/fault-run.ts'
import { sendAtRate } from '../support/load.ts'
import { recordedRuns, recordingHandler } from '../support/recorder.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const MIB = 1024 * 1024

it('RED-05: a Redis that fills up is answered with 503 before it is full, is drained, and taken into use again', async () => {
  const redis = await startRedis('--maxmemory', String(48 * MIB))
  // Slower than the sender, so that the inbox fills up, and quick enough to drain it.
  const { service, runs } = await startRun({ redis, does: 'await sleep(300)' })
  const acknowledged: Delivery[] = []
  let status = 200
  for (let sent = 0; status === 200 && sent < 400; sent += 1) {
    const delivery = bigDelivery()
    status = await send(service, delivery)
    if (status === 200) acknowledged.push(delivery)
  }
  expect(status).toBe(503)
  await waitForReadiness(service, 'overloaded')
  expect(await errorsOf(redis, 'OOM')).toBe(0)
  const refused = await waitFor(
    'the line in the log',
    () => service.logLines({ msg: 'webhook not stored' })[0],
  )
  expect(refused.reason).toBe('overloaded')

  await expectHandled(runs, acknowledged)
  await expectRecovery(service, 15_000)
  await waitForReadiness(service, 'ready')
  expect(await errorsOf(redis, 'OOM')).toBe(0)
  await expectNoDeadLetters(redis)
})

for (const attempts of ['40', '1']) {
  it(`RED-05: a Redis that is full is answered with 503, at little expense, and no run is lost with ${attempts} attempts`, async () => {
    const env = { HANDLER_ATTEMPTS: attempts }
    const { redis, service, runs } = await startRun({ env, does: 'await sleep(200)' })
    const before = await sendAtRate(service.webhookUrl, 100, freshDeliveries(300))
    expectAnswers(before, 200)
    const worker = await service.workerPid()
    const lines = watchLines(service)
    await redis.use((client) => client.config('SET', 'maxmemory', '1mb'))
    await waitFor('the first refusal', async () => (await send(service, signedDelivery())) === 503)
    const usedBefore = cpuSeconds(worker)
    const full = await sendAtRate(service.webhookUrl, 20, freshDeliveries(160))
    const used = cpuSeconds(worker) - usedBefore
    expectAnswers(full, 503)
    await waitForReadiness(service, 'overloaded')
    expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
    // In 8 s; a worker that asks again at once takes all of a processor.
    expect(used).toBeLessThan(2)

    await redis.use((client) => client.config('SET', 'maxmemory', '0'))
    await expectRecovery(service, RECOVERY_LIMIT_MS)
    await expectHandled(runs, before.acknowledged, 60_000)
    await expectNoDeadLetters(redis)
  })
}

it('RED-05: a worker that finds work in a full Redis asks for it with patience, and does it once there is room', async () => {
  const redis = await startRedis()
  const env = { REDIS_URL: redis.url }
  const receiver = await startService({ env: { ...env, ROLE: 'receiver' } })
  await expectRecovery(receiver)
  const waiting = await sendAtRate(receiver.webhookUrl, 200, freshDeliveries(400))
  expectAnswers(waiting, 200)
  await redis.use((client) => client.config('SET', 'maxmemory', '1mb'))

  const runs = join(tempDir(), 'runs')
  const worker = await startService({
    env: { ...env, ROLE: 'worker', CALLCOV_WEBHOOK_SECRET: undefined, LOG_LEVEL: 'debug' },
    handlers: { 'recorder.ts': recordingHandler(runs) },
  })
  const lines = watchLines(worker)
  const usedBefore = cpuSeconds(await worker.workerPid())
  await during(6000)
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
  expect(cpuSeconds(await worker.workerPid()) - usedBefore).toBeLessThan(2)

  await redis.use((client) => client.config('SET', 'maxmemory', '0'))
  await expectHandled(runs, waiting.acknowledged, 60_000)
  await expectNoDeadLetters(redis)
})

it('RED-05: a run that ends while Redis is full is noted later, and is no dead letter', async () => {
  const env = { HANDLER_ATTEMPTS: '1' }
  const { redis, service, runs } = await startRun({ env, does: 'await sleep(1500)' })
  const load = await sendAtRate(service.webhookUrl, 100, freshDeliveries(20))
  await waitFor('the runs to begin', () => recordedRuns(runs).length >= 20)
  await redis.use((client) => client.config('SET', 'maxmemory', '1mb'))
  await during(3000)
  await redis.use((client) => client.config('SET', 'maxmemory', '0'))
  await expectRecovery(service)
  await expectHandled(runs, load.acknowledged)
  await waitFor('every run to be noted', () =>
    redis.use(async (client) => (await client.zcard('callcov:handler-recorder:completed')) >= 21),
  )
  await expectNoDeadLetters(redis)
})

it('RED-16: no body goes before its handler has run, though Redis is filling up and the registry of handlers is lost', async () => {
  const { redis, service, runs } = await startRun({ does: 'await sleep(6000)' })
  const load = await sendAtRate(service.webhookUrl, 100, freshDeliveries(60))
  expectAnswers(load, 200)
  await waitFor('the first runs', () => recordedRuns(runs).length >= 20)
  await redis.use(async (client) => {
    const used = Number(/used_memory:(\d+)/.exec(await client.info())?.[1])
    await client.del('callcov:handlers')
    // Above the mark of the sweep, below that of the receiver.
    await client.config('SET', 'maxmemory', String(Math.round(used / 0.7)))
  })
  await expectHandled(runs, load.acknowledged, 60_000)
  expect(service.output).not.toContain('unreadable')
})

function bigDelivery(): Delivery {
  return signedDelivery({ fields: { padding: randomBytes(200 * 1024).toString('base64') } })
}

/** How often Redis refused a command with this error. */
async function errorsOf(redis: RedisServer, code: string): Promise<number> {
  const text = await redis.use((client) => client.info('errorstats'))
  return Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(text)?.[1] ?? 0)
}
