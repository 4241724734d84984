import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonOf } from '../support/command.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler } from '../support/recorder.ts'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import {
  countRows,
  missingPostgres,
  startPostgres,
  startPostgresProxy,
  waitForRows,
} from '../support/postgres-server.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const available = needs(missingPostgres())
const AT_ONCE = 50

/** Sends so many analyses, numbered from `first`; each has two segments. */
async function sendMany(service: Service, count: number, first = 0): Promise<void> {
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    const ids = Array.from({ length: AT_ONCE }, (_, index) => `anl-${first + sent + index}`)
    const answers = await Promise.all(
      ids.map((id) => post(service.webhookUrl, signedDelivery({ fields: { id } }))),
    )
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200))
  }
}

describe('everything is stored once', available, () => {
  it('when the worker is killed again and again during 1,000 writes', async () => {
    const [redis, postgres] = [await startRedis(), await startPostgres()]
    const database = await postgres.createDatabase()
    const env = { REDIS_URL: redis.url, DATABASE_URL: database.url }
    const service = await startService({ env })
    for (let round = 0; round < 4; round += 1) {
      const before = await countRows(database).catch(() => 0)
      const killed = (async () => {
        await waitFor('some of the writes', async () => (await countRows(database)) >= before + 50)
        process.kill(await service.workerPid(), 'SIGKILL')
      })()
      await sendMany(service, 250, round * 250)
      await killed
      expect(await countRows(database)).toBeLessThan((round + 1) * 250)
    }
    await waitForRows(database, 1000, 60_000)
    expect(await countRows(database, 'segments')).toBe(2000)
    expect(await jsonOf(['deliveries'], env)).toEqual([])
  })

  it('when PostgreSQL is away for a while; meanwhile the handler rests, and the others do not notice', async () => {
    const [redis, postgres] = [await startRedis(), await startPostgres()]
    const database = await postgres.createDatabase()
    const runs = join(tempDir(), 'runs')
    const env = { REDIS_URL: redis.url, DATABASE_URL: database.url }
    const service = await startService({ env, handlers: { 'recorder.ts': recordingHandler(runs) } })
    await sendMany(service, 100)
    await waitForRows(database, 100)
    await postgres.kill()
    await sendMany(service, 500, 100)
    await waitFor('the other handler', () => recordedRuns(runs).length === 600)
    const failures = () => service.logLines({ handler: 'postgres', msg: 'not handled' }).length
    await waitFor('the handler to fail', () => failures() > 0)
    // Ten run at once, so that more than the five which open the breaker may fail before it is open.
    expect(failures()).toBeLessThan(50)
    await postgres.start()
    await waitForRows(database, 600, 120_000)
    expect(await jsonOf(['deliveries'], env)).toEqual([])
  })

  it('when a wrong password is mended in its file, without a restart', async () => {
    const postgres = await startPostgres()
    await postgres.query('postgres', "CREATE ROLE receiver LOGIN PASSWORD 'right-password'")
    const database = await postgres.createDatabase('OWNER receiver')
    const file = join(tempDir(), 'database-url')
    const write = (password: string) =>
      writeFileSync(file, postgres.tcpUrlOf(database.name, 'receiver', password))
    write('wrong-password')
    const service = await startService({ env: { DATABASE_URL_FILE: file, HANDLER_BACKOFF: '1s' } })
    await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
    await post(service.webhookUrl, signedDelivery())
    await waitFor(
      'the failure',
      () => service.logLines({ handler: 'postgres', msg: 'not handled' }).length > 0,
    )
    write('right-password')
    await waitForRows(database, 1, 120_000)
    expect(service.output).not.toMatch(/(?:wrong|right)-password/)
  })
})

describe('a run fails in good time', available, () => {
  it('when PostgreSQL falls silent in its middle', async () => {
    const postgres = await startPostgres()
    const database = await postgres.createDatabase()
    const { proxy, urlOf } = await startPostgresProxy(postgres)
    const handler = openPostgresHandler(urlOf(database.name))
    await handler.handle(sample('callcov-completed.json'))
    proxy.frozen = true
    const startedAt = performance.now()
    await expect(handler.handle(sample('callcov-completed-es.json'))).rejects.toThrow('has fallen silent')
    expect(performance.now() - startedAt).toBeLessThan(18_000)
    proxy.frozen = false
    await handler.handle(sample('callcov-completed-es.json'))
    expect(await countRows(database)).toBe(2)
  })

  it('when somebody else holds a lock', async () => {
    const postgres = await startPostgres()
    const database = await postgres.createDatabase()
    const handler = openPostgresHandler(database.url)
    await handler.start()
    const lock = database.query('BEGIN; LOCK TABLE callcov_receiver.analyses; SELECT pg_sleep(13); COMMIT')
    await waitFor('the lock', async () => {
      const held = await database.query(
        "SELECT FROM pg_locks WHERE relation = 'callcov_receiver.analyses'::regclass AND granted",
      )
      return held.length > 0
    })
    await expect(handler.handle(sample('callcov-completed.json'))).rejects.toThrow('took too long')
    await lock
    await handler.handle(sample('callcov-completed.json'))
    expect(await countRows(database)).toBe(1)
  })
})
