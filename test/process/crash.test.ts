import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { isRunning, processesNaming } from '../support/processes.ts'
import { Service, startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** A killed worker's lock lasts 10 s and is looked for every 5 s. */
const TAKEN_UP_WITHIN_MS = 30_000

describe('after a 200', () => {
  it('handles the webhook though every process, Redis included, is killed at once', async () => {
    const dir = tempDir()
    const runs = join(dir, 'runs')
    // The first start never finishes a run, so that nothing can be handled before the kill.
    const setup = (does: string) => ({
      env: { DATA_DIR: join(dir, 'data'), HANDLERS_DIR: join(dir, `handlers-${does.length}`) },
      handlers: { 'recorder.ts': recordingHandler(runs, { does }) },
    })
    const service = await startService(setup('await sleep(60_000)'))
    const answer = await post(service.webhookUrl, signedDelivery())
    const redisPid = Number(readFileSync(join(service.dataDir, 'redis.pid'), 'utf8'))
    const workerPid = await service.workerPid()
    for (const pid of [service.process.pid ?? 0, workerPid, redisPid]) process.kill(pid, 'SIGKILL')
    expect(answer.status).toBe(200)
    await service.stop()
    const before = recordedRuns(runs)

    await startService(setup(''))
    const after = await waitForRuns(runs, before.length + 1, TAKEN_UP_WITHIN_MS)
    expect(new Set(after.map((run) => run.deliveryId)).size).toBe(1)
  })

  it('handles the webhook though Redis is killed at once', async () => {
    const redis = await startRedis()
    const runs = join(tempDir(), 'runs')
    const service = await startService({
      env: { REDIS_URL: redis.url },
      handlers: { 'recorder.ts': recordingHandler(runs) },
    })
    for (let round = 1; round <= 3; round += 1) {
      const delivery = signedDelivery()
      await waitFor('an acknowledged webhook', async () => (await post(service.webhookUrl, delivery)).ok)
      await redis.kill()
      await redis.start()
      await waitForRuns(runs, round, TAKEN_UP_WITHIN_MS)
    }
    const deliveries = new Set(recordedRuns(runs).map((run) => run.deliveryId))
    expect(deliveries.size).toBe(3)
  })

  it('handles the webhook though the receiver is killed before any worker runs', async () => {
    const redis = await startRedis()
    const runs = join(tempDir(), 'runs')
    const receiver = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
    await waitFor(
      'an acknowledged webhook',
      async () => (await post(receiver.webhookUrl, signedDelivery())).ok,
    )
    await receiver.stop('SIGKILL')
    await startService({
      env: { REDIS_URL: redis.url, ROLE: 'worker', CALLCOV_WEBHOOK_SECRET: undefined },
      handlers: { 'recorder.ts': recordingHandler(runs) },
    })
    expect(await waitForRuns(runs, 1)).toHaveLength(1)
  })
})

describe('the embedded Redis', () => {
  it('is adopted, not doubled, when a killed service left it running', async () => {
    const dir = tempDir()
    const env = { DATA_DIR: join(dir, 'data') }
    const runs = join(dir, 'runs')
    const first = await startService({ env })
    await first.stop('SIGKILL')
    const left = Number(readFileSync(join(dir, 'data', 'redis.pid'), 'utf8'))
    expect(isRunning(left)).toBe(true)

    const second = await startService({ env, handlers: { 'recorder.ts': recordingHandler(runs) } })
    expect(second.output).toContain('adopted')
    expect((await post(second.webhookUrl, signedDelivery())).status).toBe(200)
    await waitForRuns(runs, 1)
    await second.stop()
    expect(isRunning(left)).toBe(false)
  })

  it('is started again when it dies, with all data', async () => {
    const runs = join(tempDir(), 'runs')
    const service = await startService({ handlers: { 'recorder.ts': recordingHandler(runs) } })
    const delivery = signedDelivery()
    expect((await post(service.webhookUrl, delivery)).status).toBe(200)
    await waitForRuns(runs, 1)
    process.kill(Number(readFileSync(join(service.dataDir, 'redis.pid'), 'utf8')), 'SIGKILL')
    await waitFor('a duplicate to be acknowledged', async () => (await post(service.webhookUrl, delivery)).ok)
    expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)
    await waitForRuns(runs, 2)
    const outcomes = service.logLines({ source: 'callcov' }).map((line) => line.outcome)
    expect(outcomes.filter((outcome) => outcome === 'duplicate').length).toBeGreaterThan(0)
  })

  it('starts in a folder whose path is too long for a socket', async () => {
    const dir = join(tempDir(), 'd'.repeat(100))
    const service = await startService({ env: { DATA_DIR: dir } })
    expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)
  })

  it('keeps a second service off its folder, naming the first', async () => {
    const first = await startService()
    const second = new Service({ env: { DATA_DIR: first.dataDir } })
    expect(await second.exitCode()).toBe(1)
    expect(second.output).toContain(`process ${first.process.pid}`)
    expect((await post(first.webhookUrl, signedDelivery())).status).toBe(200)
  })

  it('finds its data at the next start and leaves no process behind', async () => {
    const dataDir = join(tempDir(), 'data')
    const delivery = signedDelivery()
    const first = await startService({ env: { DATA_DIR: dataDir } })
    expect((await post(first.webhookUrl, delivery)).status).toBe(200)
    await first.stop()
    expect(first.process.exitCode).toBe(0)
    expect(processesNaming(dataDir)).toEqual([])

    const second = await startService({ env: { DATA_DIR: dataDir } })
    expect((await post(second.webhookUrl, delivery)).status).toBe(200)
    await waitFor('the log line', () => second.logLines({ outcome: 'duplicate' }).length === 1)
  })
})
