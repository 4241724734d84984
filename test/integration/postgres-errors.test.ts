import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { describeThrown } from '../../src/worker/attempt-failure.ts'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import {
  missingPostgres,
  sharedPostgres,
  startPostgres,
  startPostgresProxy,
  type PostgresServer,
} from '../support/postgres-server.ts'
import { waitFor } from '../support/wait.ts'

const postgres = sharedPostgres()
const available = needs(missingPostgres())
const PASSWORD = 'CANARY/pa#ss'

/** What the worker makes of a run that fails. */
async function failureOf(databaseUrl: string, json: unknown = sample('callcov-completed.json')) {
  const handler = openPostgresHandler(databaseUrl)
  const thrown = await handler.handle(json).then(
    () => 'nothing',
    (error: unknown) => error,
  )
  return describeThrown(thrown)
}

describe('a failure says what to do', available, () => {
  it.each<[string, (server: PostgresServer) => string, RegExp]>([
    [
      'a wrong password',
      (server) => server.tcpUrlOf('postgres', 'postgres', PASSWORD),
      /refuses the user or the password/,
    ],
    ['no password', (server) => server.tcpUrlOf('postgres', 'postgres', ''), /has no password/],
    ['an unknown user', (server) => server.urlOf('postgres', 'CANARY'), /refuses the user or the password/],
    ['an unknown database', (server) => server.urlOf('CANARY'), /does not exist; create it/],
    [
      'a closed port',
      () => `postgres://CANARY:${encodeURIComponent(PASSWORD)}@127.0.0.1:1/CANARY`,
      /does not answer.*ECONNREFUSED/,
    ],
    [
      'an unknown host',
      () => 'postgres://u:CANARY@canary.invalid/db',
      /host name of DATABASE_URL is unknown/,
    ],
    ['a socket that is not there', () => 'postgres://u:CANARY@/db?host=/nowhere/CANARY', /is not there/],
    [
      'a certificate file that is not there',
      () => 'postgres://u@h/db?sslrootcert=/nowhere/CANARY',
      /is not there/,
    ],
    ['no address at all', () => `postgres://CANARY:${PASSWORD}@h:port/db`, /DATABASE_URL is no address/],
    [
      'a server without TLS',
      (server) => `${server.tcpUrlOf('postgres', 'CANARY', 'x')}?sslmode=verify-full`,
      /speaks no TLS/,
    ],
  ])('%s', async (_case, urlOf, text) => {
    const failure = await failureOf(urlOf(postgres.server()))
    expect(failure.message).toMatch(text)
    expect(failure.final).toBe(false)
    expect(failure.message + failure.stack).not.toMatch(/canary|pa#ss|invalid\b/i)
  })

  it('a database that only lets read', async () => {
    const database = await postgres.createDatabase()
    await openPostgresHandler(database.url).start()
    await database.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`)
    expect((await failureOf(database.url)).message).toMatch(/leads to a replica/)
  })

  it('a right that was taken away', async () => {
    const database = await postgres.createDatabase()
    await openPostgresHandler(database.url).start()
    await database.query('CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA callcov_receiver TO reader')
    await database.query('GRANT SELECT ON ALL TABLES IN SCHEMA callcov_receiver TO reader')
    expect((await failureOf(postgres.server().urlOf(database.name, 'reader'))).message).toMatch(
      /lacks a right/,
    )
  })

  it('a fault of the data, as with a rule that somebody has added: no further attempt, no data in the text', async () => {
    const database = await postgres.createDatabase()
    await openPostgresHandler(database.url).start()
    await database.query(
      "ALTER TABLE callcov_receiver.analyses ADD CONSTRAINT ours CHECK (agent_id <> 'CANARY')",
    )
    const failure = await failureOf(database.url, {
      id: 'a',
      status: 'completed',
      call: { agent_id: 'CANARY' },
    })
    expect(failure).toMatchObject({ final: true, reason: 'permanent' })
    expect(failure.text).toBe('PostgreSQL reports an error, table analyses, constraint ours (23514)')
  })

  it('anything else: tried again', async () => {
    const database = await postgres.createDatabase()
    await openPostgresHandler(database.url).start()
    await database.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'CANARY'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON callcov_receiver.analyses FOR EACH ROW EXECUTE FUNCTION refuse()`)
    const failure = await failureOf(database.url)
    expect(failure).toMatchObject({
      final: false,
      text: 'DatabaseError: PostgreSQL reports an error (P0001)',
    })
  })
})

describe('sslmode', available, () => {
  it('verifies the server unless it says no-verify', async () => {
    const server = await startPostgres({ tls: true })
    await server.query('postgres', "CREATE ROLE receiver LOGIN SUPERUSER PASSWORD 'a-password'")
    const url = server.tcpUrlOf('postgres', 'receiver', 'a-password')
    const tls = async (parameters: string) => {
      const failure = await openPostgresHandler(`${url}?${parameters}`)
        .start()
        .then(
          () => undefined,
          (error: unknown) => describeThrown(error).text,
        )
      return failure ?? 'connected'
    }
    const unverified = expect.stringMatching(/cannot be verified.*sslrootcert=.*no-verify/) as string
    for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full']) {
      expect([mode, await tls(`sslmode=${mode}`)]).toEqual([mode, unverified])
    }
    const authority = `sslrootcert=${encodeURIComponent(server.certificate)}`
    expect(await tls(`sslmode=require&${authority}`)).toMatch(/is for another host name/)
    expect(await tls('sslmode=no-verify')).toBe('connected')
    expect(await tls('sslmode=require&uselibpqcompat=true')).toBe('connected')
    expect(await tls('sslmode=disable')).toBe('connected')
    const named = url.replace('127.0.0.1', 'localhost')
    const handler = openPostgresHandler(`${named}?sslmode=verify-full&${authority}`)
    await handler.handle(sample('callcov-completed.json'))
    const [row] = await server.query(
      'postgres',
      'SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = $1',
      ['callcov-webhook-receiver'],
    )
    expect(Number(row?.count)).toBeGreaterThan(0)
  })
})

describe('a run that is given up', available, () => {
  it('ends at once, and leaves no lock and no half of an analysis behind', async () => {
    const database = await postgres.createDatabase()
    const handler = openPostgresHandler(database.url)
    await handler.start()
    const blocker = openPostgresHandler(database.url)
    await blocker.start()
    const lock = postgres
      .server()
      .query(database.name, 'BEGIN; LOCK TABLE callcov_receiver.segments; SELECT pg_sleep(3); COMMIT')
    const waiting = () =>
      database.query(
        `SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'`,
        database.name,
      )
    await waitFor(
      'the lock',
      async () =>
        (
          await database.query(
            'SELECT FROM pg_locks WHERE relation = $1::regclass AND granted AND mode LIKE $2',
            'callcov_receiver.segments',
            'AccessExclusive%',
          )
        ).length > 0,
    )
    const abort = new AbortController()
    const run = handler.handle(sample('callcov-completed.json'), { signal: abort.signal })
    await waitFor('the run to wait for the lock', async () => (await waiting()).length > 0)
    const startedAt = performance.now()
    abort.abort(new Error('the service stops'))
    await expect(run).rejects.toThrow('the service stops')
    expect(performance.now() - startedAt).toBeLessThan(1000)
    await lock
    await waitFor('the server to notice', async () => (await waiting()).length === 0)
    expect(await database.query('SELECT FROM callcov_receiver.analyses')).toEqual([])
    await handler.handle(sample('callcov-completed.json'))
    expect(await database.query('SELECT FROM callcov_receiver.segments')).toHaveLength(10)
  })

  it('does not begin when it was given up before', async () => {
    const database = await postgres.createDatabase()
    const handler = openPostgresHandler(database.url)
    await handler.start()
    const signal = AbortSignal.abort(new Error('the service stops'))
    await expect(handler.handle(sample('callcov-completed.json'), { signal })).rejects.toThrow(
      'the service stops',
    )
    await sleep(0)
    expect(await database.query('SELECT FROM callcov_receiver.analyses')).toEqual([])
  })
})

describe('a connection that breaks', available, () => {
  it('fails the run, harms no other, and is replaced', async () => {
    const database = await postgres.createDatabase()
    const { proxy, urlOf } = await startPostgresProxy(postgres.server())
    const handler = openPostgresHandler(urlOf(database.name))
    await handler.start()
    for (let round = 0; round < 5; round += 1) {
      const runs = Array.from({ length: 10 }, (_, index) =>
        handler.handle({ ...sample('callcov-completed.json'), id: `${round}-${index}` }),
      )
      proxy.reset()
      await Promise.allSettled(runs)
      await handler.handle({ id: `after ${round}`, status: 'completed' }).catch(async () => {
        await handler.handle({ id: `after ${round}`, status: 'completed' })
      })
    }
    const after = await database.query(
      "SELECT FROM callcov_receiver.analyses WHERE analysis_id LIKE 'after %'",
    )
    expect(after).toHaveLength(5)
    const halves = await database.query(
      `SELECT FROM callcov_receiver.analyses WHERE analysis_id NOT LIKE 'after %' AND
       (SELECT count(*) FROM callcov_receiver.segments WHERE segments.analysis_id = analyses.analysis_id) <> 10`,
    )
    expect(halves).toEqual([])
  })

  it('to a server that answers nothing is given up after 5 s, at the start of a connection', async () => {
    const database = await postgres.createDatabase()
    const { proxy, urlOf } = await startPostgresProxy(postgres.server())
    proxy.frozen = true
    const startedAt = performance.now()
    const failure = await failureOf(urlOf(database.name))
    expect(performance.now() - startedAt).toBeLessThan(8000)
    expect(failure.message).toMatch(/does not answer/)
  })
})

describe('after a stop of the server', available, () => {
  it('the handler fails while it is away, and writes when it is back', async () => {
    const server = await startPostgres()
    const database = await server.createDatabase()
    const handler = openPostgresHandler(database.url)
    const json = sample('callcov-completed.json')
    await handler.handle(json)
    await server.kill()
    await expect(handler.handle({ ...json, id: 'away' })).rejects.toThrow(/PostgreSQL/)
    await expect(handler.handle({ ...json, id: 'away' })).rejects.toThrow(
      /does PostgreSQL run|does not answer/,
    )
    await server.start()
    await handler.handle({ ...json, id: 'away' })
    expect(await database.query('SELECT FROM callcov_receiver.analyses')).toHaveLength(2)
  })
})
