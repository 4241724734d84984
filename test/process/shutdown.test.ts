import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { post, signedDelivery, type Delivery } from '../support/deliveries.ts'
import { sendAtRate } from '../support/load.ts'
import { isRunning, processesNaming } from '../support/processes.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

it('stops under load with exit code 0, every request answered, nothing lost and no process left', async () => {
  const dir = tempDir()
  const env = { DATA_DIR: join(dir, 'data'), SHUTDOWN_GRACE: '20s' }
  const runs = join(dir, 'runs')
  const handlers = { 'recorder.ts': recordingHandler(runs) }
  const service = await startService({ env, handlers })
  let stopped = false
  const load = sendAtRate(service.webhookUrl, 200, deliveries(5000), () => stopped)
  await waitForRuns(runs, 100)
  const startedAt = performance.now()
  service.process.kill('SIGTERM')
  expect(await service.exitCode()).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(20_000)
  stopped = true
  const { acknowledged, statuses } = await load
  expect(processesNaming(dir)).toEqual([])
  expect(Object.keys(statuses).filter((status) => !['200', '503', '0'].includes(status))).toEqual([])
  // A 0 is a connection that came too late; one that was answered in part would be a reset.
  expect(service.logLines({ outcome: 'aborted' })).toEqual([])

  await startService({ env, handlers })
  const ids = acknowledged.map(({ body }) => (JSON.parse(String(body)) as { id: string }).id)
  await waitFor('everything acknowledged to be handled', () => {
    const handled = new Set(recordedRuns(runs).map((run) => run.analysisId))
    return ids.every((id) => handled.has(id))
  })
})

it('gives back what a handler has not finished, without using up an attempt', async () => {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const env = { REDIS_URL: redis.url, SHUTDOWN_GRACE: '6s' }
  const first = await startService({
    env,
    handlers: { 'recorder.ts': recordingHandler(runs, { does: 'await sleep(60_000)' }) },
  })
  await waitFor('an acknowledged webhook', async () => (await post(first.webhookUrl, signedDelivery())).ok)
  await waitForRuns(runs, 1)
  first.process.kill('SIGTERM')
  expect(await first.exitCode()).toBe(0)

  await startService({ env, handlers: { 'recorder.ts': recordingHandler(runs) } })
  // At once, and not after the lock of a dead worker has run out.
  const [before, after] = await waitForRuns(runs, 2, 5000)
  expect([before?.attempt, after?.attempt]).toEqual([1, 1])
  expect(after?.deliveryId).toBe(before?.deliveryId)
})

it('lets a handler finish that needs no longer than the grace', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { SHUTDOWN_GRACE: '10s' },
    handlers: { 'recorder.ts': recordingHandler(runs, { does: 'await sleep(1500); note(event, context)' }) },
  })
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 1)
  await service.stop()
  expect(service.process.exitCode).toBe(0)
  expect(recordedRuns(runs)).toHaveLength(2)
})

it.each(['frozen', 'gone'])('stops in order and within its grace while Redis is %s', async (how) => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, SHUTDOWN_GRACE: '6s' } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  if (how === 'frozen') redis.freeze()
  else await redis.kill()
  const startedAt = performance.now()
  await service.stop()
  expect(performance.now() - startedAt).toBeLessThan(how === 'frozen' ? 7000 : 3000)
  expect(service.process.exitCode).toBe(0)
})

it('ends at once at a second signal that comes more than a second after the first', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { SHUTDOWN_GRACE: '60s', REDIS_URL: (await startRedis()).url },
    handlers: { 'recorder.ts': recordingHandler(runs, { does: 'await sleep(60_000)' }) },
  })
  await waitFor('an acknowledged webhook', async () => (await post(service.webhookUrl, signedDelivery())).ok)
  await waitForRuns(runs, 1)
  service.process.kill('SIGTERM')
  service.process.kill('SIGTERM')
  const firstAt = performance.now()
  await waitFor('more than a second', () => performance.now() - firstAt > 1100)
  expect(service.isRunning).toBe(true)
  service.process.kill('SIGTERM')
  expect(await service.exitCode()).toBe(1)
})

it('stops by Ctrl-C under npm start, which reaches every process of the terminal at once', async () => {
  const dir = tempDir()
  const npm = spawn('npm', ['start'], {
    cwd: ROOT,
    detached: true,
    env: {
      ...process.env,
      NODE_ENV: 'development',
      PORT: '0',
      ADMIN_PORT: '0',
      DATA_DIR: join(dir, 'data'),
      CALLCOV_WEBHOOK_SECRET: undefined,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const pid = npm.pid ?? 0
  onTestFinished(() => {
    if (isRunning(pid)) process.kill(-pid, 'SIGKILL')
  })
  let output = ''
  for (const stream of [npm.stdout, npm.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await waitFor('the start message', () => output.includes('is ready'))
  process.kill(-pid, 'SIGINT')
  await once(npm, 'exit')
  await waitFor('every process to end', () => processesNaming(join(dir, 'data')).length === 0)
  expect(output).toContain('stopping')
})

function* deliveries(count: number): Generator<Delivery> {
  for (let sent = 0; sent < count; sent += 1) yield signedDelivery()
}
