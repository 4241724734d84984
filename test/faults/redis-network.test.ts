import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { signedDelivery } from '../support/deliveries.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import {
  during,
  expectAnswers,
  expectHandled,
  expectNoDeadLetters,
  expectRecovery,
  freshDeliveries,
  idOf,
  LINES_PER_SECOND,
  send,
  startRun,
  watchLines,
} from '../support/fault-run.ts'
import { sendAtRate } from '../support/load.ts'
import { recordedRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { waitFor } from '../support/wait.ts'

it('RED-03: with 10 s of latency every answer is a 503 in time, and what was stored late is a duplicate next time', async () => {
  const { service, runs, proxy, redis } = await startBehindProxy()
  const lines = watchLines(service)
  proxy.latencyMs = 10_000
  const late = signedDelivery({ fields: { id: randomUUID() } })
  const first = send(service, late)
  const load = sendAtRate(service.webhookUrl, 10, freshDeliveries(150))
  expect(await first).toBe(503)
  expectAnswers(await load, 503)
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)

  proxy.latencyMs = 0
  await expectRecovery(service)
  expect(await send(service, late)).toBe(200)
  await expectHandled(runs, [late])
  // A marker behind it: what was to come has come.
  const marker = signedDelivery()
  expect(await send(service, marker)).toBe(200)
  await expectHandled(runs, [marker])
  expect(recordedRuns(runs).filter((run) => run.analysisId === idOf(late))).toHaveLength(1)
  await expectNoDeadLetters(redis)
})

it('RED-03: with 600 ms to Redis and back it still accepts, and no run waits until its lock has ended', async () => {
  const { service, runs, proxy } = await startBehindProxy()
  proxy.latencyMs = 300
  const load = await sendAtRate(service.webhookUrl, 20, freshDeliveries(60))
  expectAnswers(load, 200)
  await expectHandled(runs, load.acknowledged)
  expectOnce(runs)
})

it('RED-09: resets under load lose nothing acknowledged, and are answered in time', async () => {
  const { service, runs, proxy, redis } = await startBehindProxy()
  let isOver = false
  const load = sendAtRate(service.webhookUrl, 100, freshDeliveries(2000), () => isOver)
  for (let count = 0; count < 8; count += 1) {
    await during(400)
    proxy.reset()
  }
  await expectRecovery(service)
  isOver = true
  const result = await load
  expectAnswers(result, 200, 503)
  await expectHandled(runs, result.acknowledged, 60_000)
  await expectNoDeadLetters(redis)
  expectStillWorking(service)
})

it('RED-09: a connection that is half open is given up in time, and replaced when the network is back', async () => {
  const { service, runs, proxy } = await startBehindProxy()
  proxy.frozen = true
  expectAnswers(await sendAtRate(service.webhookUrl, 10, freshDeliveries(80)), 503)
  proxy.reset()
  proxy.frozen = false
  await expectRecovery(service)
  const load = await sendAtRate(service.webhookUrl, 20, freshDeliveries(40))
  expectAnswers(load, 200)
  await expectHandled(runs, load.acknowledged)
})

it('RED-09: replies and commands in slices of one byte are understood', async () => {
  const { service, runs, proxy } = await startBehindProxy()
  proxy.sliceBytes = 1
  const load = await sendAtRate(service.webhookUrl, 10, freshDeliveries(40))
  expectAnswers(load, 200)
  await expectHandled(runs, load.acknowledged)
  expectOnce(runs)
})

it('RED-09: a connection that refuses everybody is answered with 503, at few lines, until it does so no more', async () => {
  const { service, runs, proxy } = await startBehindProxy()
  const lines = watchLines(service)
  proxy.refusing = true
  proxy.reset()
  expectAnswers(await sendAtRate(service.webhookUrl, 20, freshDeliveries(100)), 503)
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
  proxy.refusing = false
  await expectRecovery(service)
  await waitFor('a run', () => recordedRuns(runs).length > 0)
})

for (const direction of ['commands', 'replies'] as const) {
  it(`RED-09: a connection cut anywhere in the ${direction} leaves one run of each webhook, whatever it was answered`, async () => {
    const { service, runs, proxy, redis } = await startBehindProxy()
    for (const bytes of [0, 1, 7, 50, 300, 700, 1500, 3000]) {
      proxy.cutAfter(bytes, direction)
      const delivery = signedDelivery({ fields: { id: randomUUID() } })
      const statuses = [await send(service, delivery)]
      // As the sender does, until it is acknowledged.
      await waitFor('the acknowledgement', async () => {
        if (statuses.at(-1) !== 200) statuses.push(await send(service, delivery))
        return statuses.at(-1) === 200
      })
      expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([])
      await waitFor(
        'the cut',
        async () => !proxy.isCutPending || (await send(service, signedDelivery())) === 0,
      )
      await expectHandled(runs, [delivery])
      await expectRecovery(service)
    }
    await expectNoDeadLetters(redis)
    expectStillWorking(service)
  })
}

async function startBehindProxy() {
  const redis = await startRedis()
  const proxy = await startFaultProxy(redis)
  return { ...(await startRun({ redis, url: proxy.url })), proxy }
}

/** No outcome was handed to the handler twice. */
function expectOnce(runs: string): void {
  const ids = recordedRuns(runs).map((run) => run.analysisId)
  expect(ids).toHaveLength(new Set(ids).size)
}

/** No process of the service ended for an error that nobody caught. */
function expectStillWorking(service: { output: string; isRunning: boolean }): void {
  expect(service.isRunning).toBe(true)
  expect(service.output).not.toMatch(/nobody caught|unhandled|the worker ended/i)
}
