import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { percentile, sendAtRate } from '../support/load.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

async function startWith(does: string, env: NodeJS.ProcessEnv = {}) {
  const redis = await startRedis()
  const dir = tempDir()
  const [runs, mark] = [join(dir, 'runs'), join(dir, 'mark')]
  const firstTime = `const { existsSync, writeFileSync } = await import('node:fs')
    const isFirst = !existsSync(${JSON.stringify(mark)})
    if (isFirst && event.analysisId === 'bad') writeFileSync(${JSON.stringify(mark)}, '')\n    `
  const service = await startService({
    env: { REDIS_URL: redis.url, ...env },
    handlers: { 'recorder.ts': recordingHandler(runs, { does: firstTime + does }) },
  })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  return { redis, runs, service }
}

it.each([
  ['PRO-08', 'an unhandled rejection', `void Promise.reject(new Error('lost')); await sleep(5000)`],
  ['PRO-08', 'an error in a timer', `setTimeout(() => { throw new Error('lost') }); await sleep(5000)`],
  ['PRO-09', 'process.exit(0)', 'process.exit(0)'],
  ['PRO-09', 'process.abort()', 'process.abort()'],
  ['PRO-09', 'SIGSEGV', `process.kill(process.pid, 'SIGSEGV'); await sleep(5000)`],
  [
    'PRO-10',
    'memory without end',
    'const all = []; for (;;) all.push(new Array(100_000).fill(Math.random()))',
  ],
])(
  '%s: a handler that ends its process by %s runs again in a new one, and webhooks are answered meanwhile',
  async (_row, _how, end) => {
    const { runs, service } = await startWith(`if (isFirst && event.analysisId === 'bad') { ${end} }`, {
      NODE_OPTIONS: '--max-old-space-size=96',
    })
    const before = await service.workerPid()
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'bad' } }))
    const load = await sendAtRate(
      service.webhookUrl,
      50,
      Array.from({ length: 250 }, () => signedDelivery()),
    )
    expect(load.statuses).toEqual({ 200: 250 })
    expect(percentile(load.durationsMs, 0.99)).toBeLessThan(500)
    const bad = () => recordedRuns(runs).filter((run) => run.analysisId === 'bad')
    await waitFor('the second run', () => bad().length >= 2, { withinMs: 60_000 })
    expect(new Set(bad().map((run) => run.deliveryId)).size).toBe(1)
    expect(await service.workerPid()).not.toBe(before)
    const handled = () => new Set(recordedRuns(runs).map((run) => run.analysisId))
    await waitFor('all others', () => handled().size === 251, { withinMs: 60_000 })
  },
)

it('PRO-12: a job whose worker is killed three times, as rolling deploys may, is handled in the end', async () => {
  const { runs, service } = await startWith(
    'if (await (await import("node:fs/promises")).readFile(import.meta.filename).then(() => event.analysisId === "slow")) await sleep(3000)',
  )
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'slow' } }))
  for (let kills = 1; kills <= 3; kills += 1) {
    await waitForRuns(runs, kills, 60_000)
    process.kill(await service.workerPid(), 'SIGKILL')
  }
  await waitFor(
    'the end',
    () => service.logLines({ id: 'slow', decision: 'done', handler: 'recorder' }).length === 1,
    { withinMs: 60_000 },
  )
  expect(service.logLines({ msg: 'dead letter' })).toEqual([])
})

it('PRO-16: a run whose lock was lost while Redis was frozen may run again, with the same delivery id', async () => {
  const { redis, runs, service } = await startWith('await sleep(20_000)')
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 1)
  redis.freeze()
  await new Promise((resolve) => setTimeout(resolve, 13_000))
  redis.thaw()
  await waitFor('the end', () => service.logLines({ decision: 'done', handler: 'recorder' }).length > 0, {
    withinMs: 90_000,
  })
  expect(new Set(recordedRuns(runs).map((run) => run.deliveryId)).size).toBe(1)
})

it('PRO-02: a receiver killed at any moment loses nothing it acknowledged, and what is sent again runs once', async () => {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const env = { REDIS_URL: redis.url }
  await startService({ env: { ...env, ROLE: 'worker' }, handlers: { 'recorder.ts': recordingHandler(runs) } })
  const all = Array.from({ length: 600 }, () => signedDelivery({ fields: { id: randomUUID() } }))
  const acknowledged = new Set<unknown>()
  for (let round = 0; acknowledged.size < all.length && round < 8; round += 1) {
    const service = await startService({ env: { ...env, ROLE: 'receiver' } })
    await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
    const missing = all.filter((delivery) => !acknowledged.has(delivery))
    // The last rounds are left alone.
    const kill = round < 4 ? setTimeout(() => service.process.kill('SIGKILL'), 300 + round * 137) : undefined
    const load = await sendAtRate(service.webhookUrl, 300, missing)
    clearTimeout(kill)
    for (const delivery of load.acknowledged) acknowledged.add(delivery)
    await service.stop('SIGKILL')
  }
  expect(acknowledged.size).toBe(all.length)
  await waitForRuns(runs, all.length, 60_000)
  expect(recordedRuns(runs)).toHaveLength(all.length)
  expect(new Set(recordedRuns(runs).map((run) => run.deliveryId)).size).toBe(all.length)
})

it('PRO-19: a receiver that is out of file descriptors recovers by itself', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  const { execFileSync } = await import('node:child_process')
  const { readdirSync } = await import('node:fs')
  const limit = readdirSync(`/proc/${service.process.pid}/fd`).length + 4
  execFileSync('prlimit', ['--pid', String(service.process.pid), `--nofile=${limit}:${limit}`])
  const { connect } = await import('node:net')
  const { hostname, port } = new URL(service.url)
  const flood = Array.from({ length: 200 }, () => connect(Number(port), hostname).on('error', () => {}))
  await new Promise((resolve) => setTimeout(resolve, 2000))
  for (const socket of flood) socket.destroy()
  await waitFor('an answer', async () => (await post(service.webhookUrl, signedDelivery())).status === 200)
  expect(service.isRunning).toBe(true)
})
