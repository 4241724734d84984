import { join } from 'node:path'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PayloadKeys } from '../../src/inbox/payload-keys.ts'
import type { QueueConnection } from '../../src/inbox/queues.ts'
import { sweepByAge, sweepUnderPressure } from '../../src/inbox/sweep.ts'
import { completedAnalysis, post, signedDelivery } from '../support/deliveries.ts'
import { recordingHandler } from '../support/recorder.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const HOUR_MS = 3_600_000
const AT_ONCE = { keepCompletedMs: 0, keepDeadMs: HOUR_MS }

describe('the sweep', () => {
  it('removes what is done with its body, and still knows it as handled', async () => {
    const { redis, service } = await startAndHandle()
    const delivery = signedDelivery()
    await post(service.webhookUrl, delivery)
    await settled(redis, 1)
    await waitFor('both jobs to go', async () => (await sweepByAge(connect(redis), AT_ONCE)) > 0)
    expect(await jobKeys(redis)).toEqual([])
    expect((await post(service.webhookUrl, delivery)).status).toBe(200)
    await waitFor('the duplicate', () => service.logLines({ outcome: 'duplicate' }).length === 1)
    expect(await jobKeys(redis)).toEqual([])
  })

  it('keeps a delivery as long as a handler of it is dead, and removes both together', async () => {
    const { redis, service } = await startAndHandle(`throw new PermanentError('no')`)
    await post(service.webhookUrl, signedDelivery())
    await waitFor('the dead letter', () =>
      redis.use(async (client) => (await client.zcard('callcov:handler-recorder:failed')) > 0),
    )
    await sweepByAge(connect(redis), AT_ONCE)
    const kept = await jobKeys(redis)
    expect(kept.filter((key) => key.includes(':inbox:'))).toHaveLength(1)
    expect(kept.filter((key) => key.includes(':handler-recorder:'))).toHaveLength(1)
    await sweepByAge(connect(redis), { keepCompletedMs: 0, keepDeadMs: 0 })
    expect(await jobKeys(redis)).toEqual([])
  })

  it('leaves alone what waits or is younger than the limits', async () => {
    const { redis, service } = await startAndHandle('await sleep(60_000)')
    await post(service.webhookUrl, signedDelivery())
    await waitFor('the run', () =>
      redis.use(async (client) => (await client.llen('callcov:handler-recorder:active')) > 0),
    )
    await sweepByAge(connect(redis), { keepCompletedMs: 0, keepDeadMs: 0 })
    expect((await jobKeys(redis)).some((key) => key.includes(':inbox:'))).toBe(true)
    expect(await sweepByAge(connect(redis), { keepCompletedMs: HOUR_MS, keepDeadMs: HOUR_MS })).toBe(0)
  })

  it('makes room before webhooks have to be refused, oldest first', async () => {
    const redis = await startRedis('--maxmemory', '24mb')
    const { service } = await startAndHandle('', redis)
    const noise = () => Array.from({ length: 30_000 }, () => Math.random().toString(36)).join(' ')
    let sent = 0
    await waitFor(
      'more than the pressure mark',
      async () => {
        const body = JSON.stringify({ ...completedAnalysis(), transcript: { text: noise() } })
        if ((await post(service.webhookUrl, signedDelivery({ body }))).ok) sent += 1
        return (await memoryShare(redis)) > 0.7
      },
      { everyMs: 0 },
    )
    await waitFor('room', async () => (await memoryShare(redis)) <= 0.6, { withinMs: 30_000 })
    expect(await sweepUnderPressure(connect(redis))).toBe(0)
    const left = (await jobKeys(redis)).filter((key) => key.includes(':inbox:')).length
    expect(left).toBeLessThan(sent)
    expect(service.logLines({ outcome: 'accepted' })).toHaveLength(sent)
  })

  it('comes by itself on a quiet system, within a minute of the age', async () => {
    const { redis, service } = await startAndHandle('', undefined, { KEEP_COMPLETED: '1h' })
    await post(service.webhookUrl, signedDelivery())
    await settled(redis, 1)
    // Two hours later, as far as the records tell.
    await redis.use(async (client) => {
      for (const queue of ['inbox', 'handler-recorder', 'handler-log']) {
        for (const id of await client.zrange(`callcov:${queue}:completed`, '0', '-1')) {
          await client.zincrby(`callcov:${queue}:completed`, -2 * HOUR_MS, id)
        }
      }
    })
    await waitFor('the body to go', async () => (await jobKeys(redis)).length === 0, { withinMs: 60_000 })
  }, 90_000)
})

async function startAndHandle(
  does = '',
  given?: RedisServer,
  env: NodeJS.ProcessEnv = {},
): Promise<{ redis: RedisServer; service: Service }> {
  const redis = given ?? (await startRedis())
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { REDIS_URL: redis.url, ...env },
    handlers: { 'recorder.ts': recordingHandler(runs, { does }) },
  })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  return { redis, service }
}

/** Waits until this many deliveries are done with every handler. */
async function settled(redis: RedisServer, count: number): Promise<void> {
  await waitFor('all to be done', () =>
    redis.use(async (client) => {
      const queues = ['inbox', 'handler-recorder', 'handler-log']
      const done = await Promise.all(queues.map((queue) => client.zcard(`callcov:${queue}:completed`)))
      return done.every((number) => number === count)
    }),
  )
}

function connect(redis: RedisServer): QueueConnection {
  const client = new Redis(redis.socket)
  onTestFinished(() => client.disconnect())
  return { redis: client, prefix: 'callcov', keys: new PayloadKeys(), log: pino({ level: 'silent' }) }
}

/** The keys of deliveries and of handlers' jobs. */
async function jobKeys(redis: RedisServer): Promise<string[]> {
  return await redis.use(async (client) =>
    (await client.keys('callcov:*')).filter((key) => /-[0-9a-f]{16}$/.test(key)),
  )
}

async function memoryShare(redis: RedisServer): Promise<number> {
  return await redis.use(async (client) => {
    const info = await client.info('memory')
    const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
    return field('used_memory') / field('maxmemory')
  })
}
