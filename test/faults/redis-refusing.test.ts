import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { signedDelivery } from '../support/deliveries.ts'
import { keepSecret } from '../support/canary.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import {
  countLines,
  cpuSeconds,
  during,
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
import { startRedis } from '../support/redis-server.ts'
import { waitFor } from '../support/wait.ts'

const PASSWORD = 'pw-canary-8d1f6c'
const WRONG_PASSWORD = 'pw-canary-wrong-27ab'

it('RED-06: a Redis that was demoted is answered with 503, and used again once it is a primary', async () => {
  const { redis, service, runs } = await startRun({
    does: 'await sleep(500)',
    env: { HANDLER_ATTEMPTS: '1' },
  })
  const before = await sendAtRate(service.webhookUrl, 100, freshDeliveries(200))
  const lines = watchLines(service)
  const worker = await service.workerPid()
  await redis.use((client) => client.replicaof('127.0.0.1', 1))
  await waitFor('a refusal', async () => (await send(service, signedDelivery())) === 503)
  const usedBefore = cpuSeconds(worker)
  const demoted = await sendAtRate(service.webhookUrl, 20, freshDeliveries(160))
  expectAnswers(demoted, 503)
  await waitForReadiness(service, 'redis-read-only')
  expect(cpuSeconds(worker) - usedBefore).toBeLessThan(2)
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)

  await redis.use((client) => client.replicaof('NO', 'ONE'))
  await expectRecovery(service)
  await waitForReadiness(service, 'ready')
  await expectHandled(runs, before.acknowledged, 60_000)
  await expectNoDeadLetters(redis)
})

for (const policy of ['allkeys-lru', 'allkeys-random']) {
  it(`RED-08: a Redis that may evict webhooks (${policy}) is refused, with the reason, until it is set right`, async () => {
    const redis = await startRedis('--maxmemory', '64mb', '--maxmemory-policy', policy)
    const { service } = await startRun({ redis, usable: false })
    await waitForReadiness(service, 'redis-evicts')
    expect(await send(service, signedDelivery())).toBe(503)
    expect(service.output).toContain('set maxmemory-policy noeviction')
    await redis.use((client) => client.config('SET', 'maxmemory-policy', 'noeviction'))
    await expectRecovery(service)
  })
}

it('RED-08: eviction of keys with a time to live is warned of, and webhooks are accepted', async () => {
  const redis = await startRedis('--maxmemory', '64mb', '--maxmemory-policy', 'volatile-lru')
  const { service } = await startRun({ redis })
  await waitFor('the warning', () => service.output.includes('may forget which webhooks it has seen'))
})

it('RED-10: with a wrong password it starts, is not ready, says why once, and never tells the password', async () => {
  keepSecret(PASSWORD)
  keepSecret(WRONG_PASSWORD)
  const redis = await startRedis()
  await redis.use((client) => client.config('SET', 'requirepass', PASSWORD))
  const proxy = await startFaultProxy(redis)
  const url = proxy.url.replace('redis://', `redis://:${WRONG_PASSWORD}@`)
  const { service } = await startRun({ redis, url, usable: false })
  await waitForReadiness(service, 'redis-unreachable')
  expectAnswers(await sendAtRate(service.webhookUrl, 10, freshDeliveries(50)), 503)
  const told = service.logLines({ msg: 'Redis cannot be used' })
  expect(told.map((line) => line.code)).toContain('WRONGPASS')
  // Once by each of the service's connections, of which there are three.
  expect(told.length).toBeLessThanOrEqual(3)

  const before = countLines(service)
  await during(3000)
  expect(countLines(service) - before).toBeLessThanOrEqual(2)
  const open = new Redis(redis.socket, { password: PASSWORD })
  onTestFinished(() => open.disconnect())
  await open.config('SET', 'requirepass', WRONG_PASSWORD)
  await expectRecovery(service)
})

it('RED-10: without the password it starts, is not ready and says why', async () => {
  const redis = await startRedis()
  await redis.use((client) => client.config('SET', 'requirepass', PASSWORD))
  const { service } = await startRun({ redis, usable: false })
  await waitForReadiness(service, 'redis-unreachable')
  expect(await send(service, signedDelivery())).toBe(503)
  await waitFor('the reason', () => service.output.includes('NOAUTH'))
})

/** What a user may lack, and what readiness says of it; `ready`: only the worker needs it. */
const MISSING_RIGHTS = {
  evalsha: 'redis-write-error',
  info: 'redis-unreachable',
  bzpopmin: 'ready',
  hgetall: 'ready',
} as const

for (const [right, state] of Object.entries(MISSING_RIGHTS)) {
  it(`RED-10: a Redis user without the right to ${right} is told, at few lines, and loses no webhook`, async () => {
    const redis = await startRedis()
    const rules = ['on', `>${PASSWORD}`, '~*', '&*', '+@all', `-${right}`]
    if (right === 'evalsha') rules.push('-eval')
    await redis.use((client) => client.acl('SETUSER', 'receiver', ...rules))
    const proxy = await startFaultProxy(redis)
    const url = proxy.url.replace('redis://', `redis://receiver:${PASSWORD}@`)
    const { service, runs } = await startRun({ redis, url, usable: false, env: { HANDLER_ATTEMPTS: '1' } })
    const worker = await service.workerPid()
    await waitForReadiness(service, right === 'info' ? state : 'ready')
    const lines = watchLines(service)
    const usedBefore = cpuSeconds(worker)
    const load = await sendAtRate(service.webhookUrl, 20, freshDeliveries(100))
    expectAnswers(load, state === 'ready' ? 200 : 503)
    await waitForReadiness(service, state)
    expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
    expect(cpuSeconds(worker) - usedBefore).toBeLessThan(3)
    await waitFor('the reason', () => /NOPERM|no permission|ACL failure|can't run this/i.test(service.output))

    await redis.use((client) => client.acl('SETUSER', 'receiver', '+@all'))
    await expectRecovery(service, 15_000)
    await expectHandled(runs, load.acknowledged)
    await expectNoDeadLetters(redis)
  })
}

it('RED-15: a Redis whose snapshots fail, and that takes no writes for it, is answered with 503 until they succeed', async () => {
  const { redis, service, runs } = await startRun({
    does: 'await sleep(500)',
    env: { HANDLER_ATTEMPTS: '1' },
  })
  const before = await sendAtRate(service.webhookUrl, 100, freshDeliveries(100))
  await redis.use((client) => client.config('SET', 'save', '3600 1'))
  breakSnapshots(redis.dir)
  await redis.use((client) => client.bgsave().catch(() => {}))
  await waitFor('the failure', () =>
    redis.use(async (client) => (await client.info()).includes('rdb_last_bgsave_status:err')),
  )
  expect(await send(service, signedDelivery())).toBe(503)
  await waitForReadiness(service, 'redis-write-error')
  expectAnswers(await sendAtRate(service.webhookUrl, 20, freshDeliveries(60)), 503)

  mendSnapshots(redis.dir)
  await redis.use((client) => client.bgsave())
  await expectRecovery(service)
  await expectHandled(runs, before.acknowledged, 60_000)
  await expectNoDeadLetters(redis)
})

/** A snapshot is renamed to this name, which a folder that is not empty does not allow, not even to root. */
function breakSnapshots(dir: string): void {
  mkdirSync(join(dir, 'dump.rdb'))
  writeFileSync(join(dir, 'dump.rdb', 'file'), '')
}

function mendSnapshots(dir: string): void {
  rmSync(join(dir, 'dump.rdb'), { recursive: true })
}

it('RED-19: when Redis takes no more connections, open ones serve on, and a new one is answered with 503 until it does', async () => {
  const redis = await startRedis()
  await redis.use((client) => client.config('SET', 'maxclients', '30'))
  const taken: Redis[] = []
  onTestFinished(() => taken.forEach((client) => client.disconnect()))
  const { service, runs } = await startRun({ redis })
  await takeAllConnections(redis.socket, taken)
  const open = await sendAtRate(service.webhookUrl, 50, freshDeliveries(100))
  expectAnswers(open, 200)

  const lines = watchLines(service)
  // The service loses its connections, and others are quicker to take their places.
  const admin = taken[0] ?? new Redis(redis.socket)
  await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  taken.slice(1).forEach((client) => client.disconnect())
  taken.length = 1
  await admin.config('SET', 'maxclients', '1')
  await during(1000)
  await waitFor('a refusal', async () => (await send(service, signedDelivery())) === 503)
  expectAnswers(await sendAtRate(service.webhookUrl, 20, freshDeliveries(100)), 503)
  await waitForReadiness(service, 'redis-unreachable')
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)

  const again = await startRun({ redis, usable: false, env: { ROLE: 'receiver' } })
  expect(await send(again.service, signedDelivery())).toBe(503)
  await admin.config('SET', 'maxclients', '1000')
  await expectRecovery(service)
  await expectRecovery(again.service)
  expect(service.output).not.toContain('the worker ended')
  await expectHandled(runs, open.acknowledged)
})

async function takeAllConnections(socket: string, taken: Redis[]): Promise<void> {
  for (let failed = false; !failed;) {
    const client = new Redis(socket, {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    })
    client.on('error', () => {})
    failed = await client.connect().then(
      () => false,
      () => true,
    )
    if (!failed) taken.push(client)
  }
}
