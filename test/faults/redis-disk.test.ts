import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  globSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
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
import { missingProgram, needs, noMounts, smallDisk } from '../support/needs.ts'
import { recordingHandler } from '../support/recorder.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { Service, startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

it('RED-07: a Redis that loads 100 MB is answered with 503, said to be loading, and then used', async () => {
  const debug = ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '65536']
  const redis = await startRedis(...debug, '--key-load-delay', '20', '--rdbcompression', 'no')
  const { service, runs } = await startRun({ redis, does: 'await sleep(200)' })
  await redis.use((client) => client.call('DEBUG', 'POPULATE', '100000', 'filling', '1000'))
  await redis.use((client) => client.bgrewriteaof())
  await waitFor(
    'the rewritten file',
    () =>
      redis.use(async (client) =>
        /aof_rewrite_in_progress:0[^]*aof_base_size:\d{9}/.test(await client.info()),
      ),
    { withinMs: 60_000 },
  )
  const before = await sendAtRate(service.webhookUrl, 100, freshDeliveries(100))
  await redis.kill()
  const lines = watchLines(service)
  const started = redis.start()
  await waitForReadiness(service, 'redis-loading')
  expectAnswers(await sendAtRate(service.webhookUrl, 20, freshDeliveries(40)), 503)
  expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
  await started
  await expectRecovery(service, 15_000)
  await expectHandled(runs, before.acknowledged, 60_000)
  await expectNoDeadLetters(redis)
})

it('RED-12: an AOF that lost its last bytes is taken, and all but the last of it is there', async () => {
  const { dataDir, delivery, runs } = await filledEmbeddedRedis()
  const aof = appendOnlyFile(dataDir)
  truncateSync(aof, statSync(aof).size - 7)
  const service = await startService({
    env: { DATA_DIR: dataDir },
    handlers: { 'recorder.ts': recordingHandler(runs) },
  })
  expect(await send(service, delivery)).toBe(200)
  await waitFor('the duplicate', () => service.logLines({ outcome: 'duplicate' }).length === 1)
  const load = await sendAtRate(service.webhookUrl, 50, freshDeliveries(50))
  expectAnswers(load, 200)
  await expectHandled(runs, load.acknowledged)
})

it('RED-12: an AOF damaged in its middle stops the start, with the cure Redis names and the data as they were', async () => {
  const { dataDir } = await filledEmbeddedRedis()
  const aof = appendOnlyFile(dataDir)
  const file = openSync(aof, 'r+')
  // Where a command begins; Redis cannot tell a wrong byte within a value.
  const start = readFileSync(aof).indexOf('\r\n*', Math.floor(statSync(aof).size / 2))
  writeSync(file, Buffer.from('damaged'), 0, 7, start)
  closeSync(file)
  const damaged = readFileSync(aof)
  const service = new Service({ env: { DATA_DIR: dataDir } })
  expect(await service.exitCode()).toBe(1)
  expect(service.output).toContain('redis-check-aof')
  expect(readFileSync(aof)).toEqual(damaged)
})

const onSmallDisk = needs(noMounts())

for (const appendfsync of ['always', 'everysec'] as const) {
  it(
    `RED-13: a full disk under a Redis with appendfsync ${appendfsync} is answered with 503, and costs nothing acknowledged`,
    onSmallDisk,
    async () => {
      const disk = smallDisk('16m')
      const redis = await startRedis('--dir', disk, '--appendfsync', appendfsync)
      const { service, runs } = await startRun({ redis, env: { HANDLER_ATTEMPTS: '1' } })
      writeFileSync(join(disk, 'filler'), Buffer.alloc(12 * 1024 * 1024))
      const lines = watchLines(service)
      const acknowledged = await sendUntilRefused(service)
      expectAnswers(await sendAtRate(service.webhookUrl, 20, freshDeliveries(60, bigFields())), 503)
      await waitForReadiness(service, appendfsync === 'always' ? 'redis-unreachable' : 'redis-write-error')
      expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)

      rmSync(join(disk, 'filler'))
      // With `always` Redis ends itself rather than acknowledge what it cannot keep.
      if (appendfsync === 'always') await startAgain(redis)
      await expectRecovery(service)
      await expectHandled(runs, acknowledged)
      await expectNoDeadLetters(redis)
    },
  )
}

it(
  'RED-13: a full disk under the embedded Redis is answered with 503 until there is room',
  onSmallDisk,
  async () => {
    const disk = smallDisk('16m')
    const runs = join(tempDir(), 'runs')
    const service = await startService({
      env: { DATA_DIR: disk },
      handlers: { 'recorder.ts': recordingHandler(runs) },
    })
    await expectRecovery(service)
    writeFileSync(join(disk, 'filler'), Buffer.alloc(12 * 1024 * 1024))
    const lines = watchLines(service)
    const acknowledged = await sendUntilRefused(service)
    // Readiness can change between two starts of Redis; what counts is that nothing is acknowledged in vain.
    const load = await sendAtRate(service.webhookUrl, 20, freshDeliveries(100, bigFields()))
    expectAnswers(load, 503, 200)
    expect(lines.worstSecond).toBeLessThan(LINES_PER_SECOND)
    rmSync(join(disk, 'filler'))
    await expectRecovery(service, 15_000)
    await expectHandled(runs, [...acknowledged, ...load.acknowledged], 60_000)
  },
)

it(
  'RED-14: what is acknowledged was synced to the disk before Redis replied',
  needs(missingProgram('strace')),
  async () => {
    const { redis, service } = await startRun()
    const trace = join(tempDir(), 'trace')
    const pid = await redis.use(async (client) => /process_id:(\d+)/.exec(await client.info())?.[1] ?? '')
    const strace = spawn(
      'strace',
      ['-p', pid, '-s', '4096', '-e', 'trace=write,writev,fdatasync,fsync', '-o', trace],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    onTestFinished(() => void strace.kill())
    await once(strace.stderr, 'data')
    const load = await sendAtRate(service.webhookUrl, 20, freshDeliveries(40))
    expectAnswers(load, 200)
    strace.kill()
    await once(strace, 'exit')

    const calls = readFileSync(trace, 'utf8').split('\n')
    const replies = calls.flatMap((call, index) => {
      // The reply to BullMQ's add is the id of the job: a uuid and a digest of the body.
      const jobId = /^writev?\(\d+, .*\$53\\r\\n([0-9a-f-]{53})\\r\\n/.exec(call)?.[1]
      return jobId !== undefined && !call.includes('MULTI') ? [{ jobId, index }] : []
    })
    const added = replies.filter(
      ({ jobId, index }) => calls.findIndex((call) => call.includes(jobId)) < index,
    )
    expect(new Set(added.map(({ jobId }) => jobId)).size).toBeGreaterThanOrEqual(40)
    const unsynced = added.filter(({ jobId, index }) => {
      const written = calls.findIndex((call) => call.includes(jobId))
      return !calls.slice(written + 1, index).some((call) => /^(fdatasync|fsync)\(\d+\)\s+= 0/.test(call))
    })
    expect(unsynced).toEqual([])
  },
)

async function sendUntilRefused(service: Service): Promise<Delivery[]> {
  const acknowledged: Delivery[] = []
  for (let sent = 0; sent < 500; sent += 1) {
    const delivery = signedDelivery({ fields: bigFields() })
    if ((await send(service, delivery)) !== 200) return acknowledged
    acknowledged.push(delivery)
  }
  throw new Error('the disk did not fill up')
}

const bigFields = () => ({ padding: randomBytes(50 * 1024).toString('base64') })

async function startAgain(redis: RedisServer): Promise<void> {
  await redis.kill()
  await redis.start()
}

async function filledEmbeddedRedis() {
  const dataDir = join(tempDir(), 'data')
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { DATA_DIR: dataDir },
    handlers: { 'recorder.ts': recordingHandler(runs) },
  })
  await expectRecovery(service)
  const delivery = signedDelivery()
  expect(await send(service, delivery)).toBe(200)
  const load = await sendAtRate(service.webhookUrl, 50, freshDeliveries(50))
  await expectHandled(runs, [delivery, ...load.acknowledged])
  await service.stop()
  return { dataDir, delivery, runs }
}

function appendOnlyFile(dataDir: string): string {
  return globSync(join(dataDir, 'appendonlydir', '*.incr.aof')).at(-1) ?? 'no append only file'
}
