import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { signedDelivery, type Delivery } from '../support/deliveries.ts'
import {
  expectAnswers,
  expectHandled,
  expectNoDeadLetters,
  expectRecovery,
  freshDeliveries,
  LINES_PER_SECOND,
  send,
  startRun,
  waitForReadiness,
  watchLines,
} from '../support/fault-run.ts'
import { sendAtRate } from '../support/load.ts'
import { recordedRuns, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { waitFor } from '../support/wait.ts'

it('RED-01: without Redis at its start it answers 503 in time, and accepts once Redis is there, without a restart', async () => {
  const redis = await startRedis()
  await redis.stop()
  const { service, runs } = await startRun({ redis, usable: false })
  const lines = watchLines(service)
  expectAnswers(await sendAtRate(service.webhookUrl, 20, freshDeliveries(100)), 503)
  await waitForReadiness(service, 'redis-unreachable')
  expect((await fetch(`${service.url}/health/live`)).status).toBe(200)
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)

  const pid = service.process.pid
  await redis.start()
  await expectRecovery(service)
  await waitForRuns(runs, 1)
  expect([service.process.pid, service.isRunning]).toEqual([pid, true])
})

it('RED-02: nothing acknowledged is lost over several kills of Redis under load, and every answer is in time', async () => {
  const { redis, service, runs } = await startRun()
  const acknowledged: Delivery[] = []
  for (let round = 0; round < 5; round += 1) {
    let isOver = false
    const load = sendAtRate(service.webhookUrl, 200, freshDeliveries(4000), () => isOver)
    const handled = recordedRuns(runs).length
    await waitForRuns(runs, handled + 100)
    await redis.kill()
    await waitFor('a refusal', async () => (await send(service, signedDelivery())) === 503)
    await redis.start()
    await expectRecovery(service)
    isOver = true
    const result = await load
    expectAnswers(result, 200, 503)
    acknowledged.push(...result.acknowledged)
  }
  expect(acknowledged.length).toBeGreaterThan(500)
  await expectHandled(runs, acknowledged, 60_000)
  await expectNoDeadLetters(redis)
})

it('RED-04: a Redis frozen for a minute, also during a run, is answered with 503 in time, and all goes on after it', async () => {
  const { redis, service, runs } = await startRun({ does: 'await sleep(2000)' })
  const before = await sendAtRate(service.webhookUrl, 20, freshDeliveries(20))
  await waitForRuns(runs, 10)
  redis.freeze()
  const lines = watchLines(service)
  const frozen = await sendAtRate(service.webhookUrl, 5, freshDeliveries(300))
  expectAnswers(frozen, 503)
  await waitForReadiness(service, 'redis-unreachable')
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
  // The receiver itself is free: health is answered at once.
  const askedAt = performance.now()
  await fetch(`${service.url}/health/live`)
  expect(performance.now() - askedAt).toBeLessThan(500)

  redis.thaw()
  await expectRecovery(service)
  await expectHandled(runs, before.acknowledged, 60_000)
  await expectNoDeadLetters(redis)
})

it('REP-09: after FLUSHALL the same outcome is handed on once more, with the same delivery id, and all goes on', async () => {
  const { redis, service, runs } = await startRun()
  const delivery = signedDelivery({ fields: { id: randomUUID() } })
  const id = (JSON.parse(String(delivery.body)) as { id: string }).id
  const runsOf = () => recordedRuns(runs).filter((run) => run.analysisId === id)
  expect(await send(service, delivery)).toBe(200)
  await waitFor('the first run', () => runsOf().length === 1)

  await redis.use((client) => client.flushall())
  expect(await send(service, delivery)).toBe(200)
  await waitFor('the second run', () => runsOf().length === 2)
  expect(new Set(runsOf().map((run) => run.deliveryId)).size).toBe(1)

  const load = await sendAtRate(service.webhookUrl, 100, freshDeliveries(200))
  expectAnswers(load, 200)
  await expectHandled(runs, load.acknowledged)
  expect(await send(service, delivery)).toBe(200)
  await expectNoDeadLetters(redis)
  await waitFor(
    'the handler to be known again',
    () => redis.use(async (client) => (await client.smembers('callcov:handlers')).includes('recorder')),
    { withinMs: 15_000 },
  )
  expect(runsOf()).toHaveLength(2)
})

it('REP-09: FLUSHALL under load neither stops the service nor the runs of what is acknowledged after it', async () => {
  const { redis, service, runs } = await startRun({ does: 'await sleep(100)' })
  const load = sendAtRate(service.webhookUrl, 100, freshDeliveries(300))
  await waitForRuns(runs, 50)
  await redis.use((client) => client.flushall())
  expectAnswers(await load, 200)
  const after = await sendAtRate(service.webhookUrl, 50, freshDeliveries(100))
  expectAnswers(after, 200)
  await expectHandled(runs, after.acknowledged)
  await expectNoDeadLetters(redis)
})

it('RED-17: it goes on when Redis loses its script cache, again and again and under load', async () => {
  const { redis, service, runs } = await startRun()
  const load = sendAtRate(service.webhookUrl, 100, freshDeliveries(300))
  for (let count = 0; count < 10; count += 1) {
    await waitForRuns(runs, 20 * count + 1)
    await redis.use((client) => client.script('FLUSH'))
  }
  const result = await load
  expectAnswers(result, 200)
  await expectHandled(runs, result.acknowledged)
  await expectNoDeadLetters(redis)
  const counts = new Map<string, number>()
  for (const { analysisId } of recordedRuns(runs)) counts.set(analysisId, (counts.get(analysisId) ?? 0) + 1)
  expect([...counts.values()].filter((count) => count > 1)).toEqual([])
})
