import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { readOwnHandler } from '../../src/handlers/read-handler.ts'
import { PayloadKeys } from '../../src/inbox/payload-keys.ts'
import { createWorkerMetrics } from '../../src/metrics.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { waitFor } from '../support/wait.ts'

const FAILURES = 3
const CONCURRENCY = 4
const DELIVERIES = 60
const LIMITER_KEY = 'test:handler-calls-target:limiter'

/** The target of a handler, which counts who came. */
class Target {
  isDown = true
  failed = 0
  succeeded = 0
  #firstFailureAt = Infinity

  get downForMs(): number {
    return Date.now() - this.#firstFailureAt
  }

  handle(): void {
    if (this.isDown) {
      this.failed += 1
      this.#firstFailureAt = Math.min(this.#firstFailureAt, Date.now())
      throw new Error('the target is down')
    }
    this.succeeded += 1
  }
}

/** A worker as another process would be, with a breaker of its own. */
async function startOne(redis: RedisServer, target: Target, openFor: string) {
  const config = loadConfig({ REDIS_URL: redis.url, REDIS_PREFIX: 'test', HANDLER_BACKOFF: '50ms' })
  const breaker = { failures: FAILURES, openFor }
  const handle = () => target.handle()
  const options = {
    name: 'calls-target',
    on: ['analysis.completed'],
    concurrency: CONCURRENCY,
    breaker,
    handle,
  }
  const read = readOwnHandler(options, config.handlerDefaults)
  if ('problem' in read) throw new Error(read.problem)
  const metrics = createWorkerMetrics()
  const worker = startWorker({
    config: { ...config, redisUrl: redis.url },
    handlers: [read.handler],
    keys: new PayloadKeys(),
    metrics,
    log: pino({ level: 'silent' }),
    onExhausted: () => {},
  })
  const stop = async () => await worker.stop(2000)
  onTestFinished(stop)
  return { stop, isOpen: async () => (await metrics.breakerOpen.get()).values[0]?.value === 1 }
}

async function startTwo(openFor: string) {
  const redis = await startRedis()
  const target = new Target()
  const receiver = await startReceiver(redis)
  const workers = [await startOne(redis, target, openFor), await startOne(redis, target, openFor)]
  for (let count = 0; count < DELIVERIES; count += 1) {
    await post(`${receiver.url}/webhooks/callcov`, signedDelivery())
  }
  const areOpen = async () => await Promise.all(workers.map(({ isOpen }) => isOpen()))
  return { redis, target, workers, areOpen }
}

it('several workers of one handler each find out, and then leave the target alone together', async () => {
  const { target, areOpen } = await startTwo('1s')
  await waitFor('a breaker to open', async () => (await areOpen()).includes(true))
  await waitFor('some probes', () => target.downForMs > 5000)
  // Each worker may fail with all it runs at once before it opens, and again once while it runs a probe each rest.
  expect(target.failed).toBeLessThan(2 * (FAILURES + CONCURRENCY) + 2 * 4)
  target.isDown = false
  await waitFor('every delivery to be handled', () => target.succeeded === DELIVERIES, { withinMs: 30_000 })
  await waitFor('both breakers to be closed', async () => !(await areOpen()).includes(true))
})

it('a worker whose target has recovered lets the others go on at once, whatever was left of their rests', async () => {
  const { redis, target, areOpen } = await startTwo('60s')
  await waitFor('a breaker to open', async () => (await areOpen()).includes(true))
  target.isDown = false
  await redis.use((client) => client.del(LIMITER_KEY))
  await waitFor('every delivery to be handled', () => target.succeeded === DELIVERIES, { withinMs: 30_000 })
  await waitFor('both breakers to be closed', async () => !(await areOpen()).includes(true))
})

it('a worker that stops while it rests leaves no rest behind for the one that takes over', async () => {
  const { redis, target, workers, areOpen } = await startTwo('60s')
  await waitFor('a breaker to open', async () => (await areOpen()).includes(true))
  await Promise.all(workers.map(({ stop }) => stop()))
  expect(await redis.use((client) => client.exists(LIMITER_KEY))).toBe(0)
  target.isDown = false
  await startOne(redis, target, '60s')
  await waitFor('every delivery to be handled', () => target.succeeded === DELIVERIES, { withinMs: 30_000 })
})
