import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { post, signedDelivery, type Delivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** CallCov's last retry comes so long after its first try. */
const RETRIES_MS = (7 * 60 + 21) * 60_000

async function startWith(handlers: (runs: string) => Record<string, string>) {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const service = await startService({ env: { REDIS_URL: redis.url }, handlers: handlers(runs) })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  return { redis, runs, service }
}

const recorder = (runs: string) => ({ 'recorder.ts': recordingHandler(runs) })

async function send(service: Service, delivery: Delivery): Promise<void> {
  expect((await post(service.webhookUrl, delivery)).status).toBe(200)
}

/** A marker that comes after everything else: once it is handled, what was to come has come. */
async function runsBefore(service: Service, runs: string) {
  const marker = randomUUID()
  await send(service, signedDelivery({ fields: { id: marker } }))
  await waitFor('the marker', () => recordedRuns(runs).some((run) => run.analysisId === marker))
  return recordedRuns(runs).filter((run) => run.analysisId !== marker)
}

it('REP-01: a body sent again and again is answered 200, handled once, and remembered longer than the sender tries', async () => {
  const { redis, runs, service } = await startWith(recorder)
  const delivery = signedDelivery()
  for (let tries = 0; tries < 6; tries += 1) await send(service, delivery)
  await waitForRuns(runs, 1)
  expect(await runsBefore(service, runs)).toHaveLength(1)
  const lifetimes = await redis.use(async (client) => {
    const keys = await client.keys('callcov:inbox:de:*')
    return await Promise.all(keys.map((key) => client.pttl(key)))
  })
  expect(Math.min(...lifetimes)).toBeGreaterThan(RETRIES_MS)
})

it('REP-02: a body that comes again while its run waits, runs, is done or is dead is 200 and no second run', async () => {
  const does = `if (event.analysisId === 'dead') throw new PermanentError('no')
    if (event.analysisId === 'later' && context.attempt === 1) throw new RetryLater('1h')
    if (event.analysisId === 'active') await sleep(3000)`
  const { runs, service } = await startWith((file) => ({ 'recorder.ts': recordingHandler(file, { does }) }))
  const states = ['dead', 'later', 'active', 'done'].map((id) => signedDelivery({ fields: { id } }))
  for (const delivery of states) await send(service, delivery)
  await waitForRuns(runs, 4)
  await waitFor('the states', () => service.logLines({ msg: 'dead letter' }).length === 1)
  for (const delivery of states) await send(service, delivery)
  await waitFor(
    'the end of the slow run',
    () => service.logLines({ id: 'active', decision: 'done' }).length > 0,
  )
  for (const delivery of states) await send(service, delivery)
  expect(await runsBefore(service, runs)).toHaveLength(4)
  await waitFor('the lines', () => service.logLines({ outcome: 'duplicate' }).length === 8)
})

it('REP-04: a status that is not final does not swallow the final one, nor does one final status the other', async () => {
  const { runs, service } = await startWith(recorder)
  const ids: string[] = [randomUUID(), randomUUID()]
  const orders = [
    ['processing', 'failed', 'completed'],
    ['completed', 'failed', 'processing'],
  ]
  for (const [index, order] of orders.entries()) {
    for (const status of order) await send(service, signedDelivery({ fields: { id: ids[index], status } }))
  }
  await waitForRuns(runs, 4)
  const seen = (await runsBefore(service, runs)).map((run) => `${ids.indexOf(run.analysisId)} ${run.type}`)
  expect(seen.toSorted()).toEqual([
    '0 analysis.completed',
    '0 analysis.failed',
    '1 analysis.completed',
    '1 analysis.failed',
  ])
})

it('REP-05: another body of one outcome is kept as a conflict and counted, and the first one stays', async () => {
  const { runs, service } = await startWith(recorder)
  const id = randomUUID()
  for (const agent of ['first', 'second', 'second', 'third']) {
    await send(service, signedDelivery({ fields: { id, call: { agent_id: agent } } }))
  }
  expect(await runsBefore(service, runs)).toHaveLength(1)
  await waitFor('the conflicts', () => service.logLines({ outcome: 'conflict' }).length === 2)
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  expect(metrics).toMatch(/dead_letters\{queue="inbox",reason="conflict"\} 2/)
})

it('REP-09: what is handled again because Redis forgot everything has the same delivery id', async () => {
  const { redis, runs, service } = await startWith(recorder)
  const delivery = signedDelivery()
  await send(service, delivery)
  await waitForRuns(runs, 1)
  await redis.use((client) => client.flushall())
  await send(service, delivery)
  const [first, second] = await waitForRuns(runs, 2)
  expect(second?.deliveryId).toBe(first?.deliveryId)
})

it('REP-10: remembering an outcome and queueing it are one step of Redis, with nothing between', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  await send(service, signedDelivery())
  const commands: { name: string; fromLua: boolean }[] = []
  await redis.use(async (client) => {
    const monitor = await client.monitor()
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      commands.push({ name: (args[0] ?? '').toLowerCase(), fromLua: source === 'lua' })
    })
    await send(service, signedDelivery())
    await waitFor('the command', () => commands.some(({ name }) => name.startsWith('eval')))
    monitor.disconnect()
  })
  const sent = commands.filter(({ fromLua }) => !fromLua).map(({ name }) => name)
  expect(sent.filter((name) => !['info', 'ping', 'config', 'hello', 'client'].includes(name))).toEqual([
    'evalsha',
  ])
})

it('REP-13: handlers are told when the provider created each outcome, whichever comes first', async () => {
  const note = (file: string) =>
    recordingHandler(file, { does: `note({ ...event, analysisId: event.createdAt }, context)` })
  const { runs, service } = await startWith((file) => ({ 'recorder.ts': note(file) }))
  await send(service, signedDelivery({ fields: { id: 'order', created: 1_700_000_100 } }))
  await send(
    service,
    signedDelivery({ fields: { id: 'order', status: 'failed', created: 1_700_000_000, error_message: 'x' } }),
  )
  const seen = (await waitForRuns(runs, 4)).map((run) => run.analysisId)
  expect(seen).toContain('2023-11-14T22:15:00.000Z')
  expect(seen).toContain('2023-11-14T22:13:20.000Z')
})

it('PRO-13: while one of three handlers fails, the others have each delivery once', async () => {
  const { runs, service } = await startWith((file) => ({
    'one.ts': recordingHandler(file, { name: 'one' }),
    'two.ts': recordingHandler(file, {
      name: 'two',
      does: `throw new Error('down')`,
      options: `attempts: 4, backoff: '10ms',`,
    }),
    'three.ts': recordingHandler(file, { name: 'three' }),
  }))
  await send(service, signedDelivery())
  await waitFor('the dead letter', () => service.logLines({ msg: 'dead letter' }).length === 1)
  await waitForRuns(runs, 6)
  const counts = Object.groupBy(recordedRuns(runs), (run) => run.handler)
  expect([counts.one?.length, counts.two?.length, counts.three?.length]).toEqual([1, 4, 1])
})

it('PRO-15: what a handler returns, be it huge or circular, is neither stored nor in its way', async () => {
  const does = `if (event.analysisId === 'huge') return 'x'.repeat(100_000_000)
    const round = { event }; round.self = round; return round`
  const { redis, runs, service } = await startWith((file) => ({
    'recorder.ts': recordingHandler(file, { does }),
  }))
  for (const id of ['huge', 'circular']) await send(service, signedDelivery({ fields: { id } }))
  await waitForRuns(runs, 2)
  await waitFor('both done', () => service.logLines({ handler: 'recorder', decision: 'done' }).length === 2)
  const longest = await redis.use(async (client) => {
    const keys = await client.keys('callcov:handler-recorder:*-*')
    const sizes = await Promise.all(keys.map((key) => client.call('MEMORY', 'USAGE', key)))
    return Math.max(...sizes.map(Number))
  })
  expect(longest).toBeLessThan(10_000)
  expect(recordedRuns(runs)).toHaveLength(2)
})
