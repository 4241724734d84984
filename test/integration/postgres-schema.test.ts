import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait.ts'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import { missingPostgres, sharedPostgres, type TestDatabase } from '../support/postgres-server.ts'

const postgres = sharedPostgres()
const available = needs(missingPostgres())
const MIGRATIONS = readdirSync(new URL('../../src/handlers/builtin/postgres/migrations', import.meta.url))

const applied = ({ query }: TestDatabase) =>
  query('SELECT number, file FROM callcov_receiver.migrations ORDER BY number')
const analyses = ({ query }: TestDatabase) => query('SELECT analysis_id FROM callcov_receiver.analyses')

/** A role that owns nothing and may do nothing. */
async function createRole({ query }: TestDatabase): Promise<string> {
  const name = `role_${Math.random().toString(36).slice(2)}`
  await query(`CREATE ROLE ${name} LOGIN`)
  return name
}

describe('the schema', available, () => {
  it('is made at start, beside what others keep in the same database, and nothing else is touched', async () => {
    const database = await postgres.createDatabase()
    await database.query('CREATE TABLE analyses (id int); CREATE TABLE migrations (id int)')
    await openPostgresHandler(database.url).start()
    const tables = await database.query(
      `SELECT table_schema, table_name FROM information_schema.tables
       WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
    )
    expect(tables.map((row) => `${String(row.table_schema)}.${String(row.table_name)}`)).toEqual([
      'callcov_receiver.agent_quality',
      'callcov_receiver.analyses',
      'callcov_receiver.call_events',
      'callcov_receiver.call_turns',
      'callcov_receiver.calls',
      'callcov_receiver.compliance_flags',
      'callcov_receiver.migrations',
      'callcov_receiver.segments',
      'public.analyses',
      'public.migrations',
    ])
    expect(await applied(database)).toEqual(
      MIGRATIONS.map((file) => ({ number: Number(file.slice(0, 3)), file })),
    )
  })

  it('is made once when many workers start and write at the same moment', async () => {
    const database = await postgres.createDatabase()
    const handlers = Array.from({ length: 6 }, () => openPostgresHandler(database.url))
    await Promise.all(
      handlers.flatMap((handler, index) => [
        handler.start(),
        handler.handle({ ...sample('callcov-completed.json'), id: `anl-${index}` }),
        handler.handle({ ...sample('callcov-completed.json'), id: `anl-${index}` }),
      ]),
    )
    expect(await applied(database)).toHaveLength(MIGRATIONS.length)
    expect(await analyses(database)).toHaveLength(6)
  })

  it('is made before the first write when the start could not reach the database', async () => {
    const database = await postgres.createDatabase()
    let url = database.url.replace(database.name, 'not_there')
    const handler = openPostgresHandler(() => url)
    await expect(handler.start()).rejects.toThrow('does not exist')
    url = database.url
    await handler.handle(sample('callcov-completed.json'))
    expect(await analyses(database)).toHaveLength(1)
  })

  it('is made again when it goes, as with a database that is restored', async () => {
    const database = await postgres.createDatabase()
    const handler = openPostgresHandler(database.url)
    await handler.handle(sample('callcov-completed.json'))
    await database.query('DROP SCHEMA callcov_receiver CASCADE')
    await expect(handler.handle(sample('callcov-completed.json'))).rejects.toThrow('reports an error')
    await handler.handle(sample('callcov-completed.json'))
    expect(await analyses(database)).toHaveLength(1)
  })

  it('is brought up to date from where it stands, and left as it is by an older release', async () => {
    const database = await postgres.createDatabase()
    await openPostgresHandler(database.url).start()
    await database.query(`
      DROP VIEW callcov_receiver.compliance_flags, callcov_receiver.agent_quality;
      DROP TABLE callcov_receiver.calls, callcov_receiver.call_events, callcov_receiver.call_turns;
      DELETE FROM callcov_receiver.migrations WHERE number IN (2, 3);
      INSERT INTO callcov_receiver.migrations VALUES (999, '999-of-a-newer-release.sql')`)
    await openPostgresHandler(database.url).handle(sample('callcov-completed-es.json'))
    expect(await database.query('SELECT FROM callcov_receiver.compliance_flags')).toHaveLength(1)
    expect(await database.query('SELECT FROM callcov_receiver.calls')).toEqual([])
    expect((await applied(database)).map(({ number }) => number)).toEqual([1, 2, 3, 999])
  })

  it('is not made by halves: a migration that fails leaves nothing behind', async () => {
    const database = await postgres.createDatabase()
    await database.query('CREATE SCHEMA callcov_receiver; CREATE TABLE callcov_receiver.segments ()')
    await expect(openPostgresHandler(database.url).start()).rejects.toThrow('not of this service')
    const [row] = await database.query("SELECT to_regclass('callcov_receiver.analyses') AS found")
    expect(row?.found).toBeNull()
  })

  it('needs a database in UTF-8, and says so', async () => {
    const database = await postgres.createDatabase("ENCODING 'LATIN1' TEMPLATE template0")
    await expect(openPostgresHandler(database.url).start()).rejects.toThrow(
      /encoding LATIN1.*ENCODING 'UTF8'/,
    )
  })
})

describe('the user of the database', available, () => {
  it('needs no right on the database when the schema was made for it', async () => {
    const database = await postgres.createDatabase()
    const role = await createRole(database)
    const url = postgres.server().urlOf(database.name, role)
    const handler = openPostgresHandler(url)
    await expect(handler.start()).rejects.toThrow(/CREATE SCHEMA callcov_receiver AUTHORIZATION/)
    await database.query(`CREATE SCHEMA callcov_receiver AUTHORIZATION ${role}`)
    await handler.handle(sample('callcov-completed.json'))
    expect(await analyses(database)).toHaveLength(1)
  })

  it('needs only to read and write rows when another has made the tables', async () => {
    const database = await postgres.createDatabase()
    await openPostgresHandler(database.url).start()
    const role = await createRole(database)
    await database.query(`
      GRANT USAGE ON SCHEMA callcov_receiver TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA callcov_receiver TO ${role}`)
    const handler = openPostgresHandler(postgres.server().urlOf(database.name, role))
    await handler.start()
    for (let time = 0; time < 2; time += 1) {
      await handler.handle(sample('callcov-completed.json'))
      await handler.handle(sample('hamsa-call-ended.json'), { source: 'hamsa' })
    }
    expect(await analyses(database)).toHaveLength(1)
    expect(await handler.forget('7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41')).toBe(1)
    expect(await handler.forget('3f1c7f0e-5a2d-4c36-9b8e-71d0c5b4aa19')).toBe(1)
  })
})

describe('the connections', available, () => {
  const connections = async ({ name, query }: TestDatabase) =>
    (
      await query(
        `SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name = 'callcov-webhook-receiver'`,
        name,
      )
    ).length

  it('are at most ten, however much is to be done', async () => {
    const database = await postgres.createDatabase()
    const handler = openPostgresHandler(database.url)
    await handler.start()
    const work = Array.from({ length: 200 }, (_, index) =>
      handler.handle({ id: String(index), status: 'completed' }),
    )
    expect(await connections(database)).toBeLessThanOrEqual(10)
    await Promise.all(work)
    expect(await analyses(database)).toHaveLength(200)
    expect(await connections(database)).toBe(10)
  })

  it('are closed at the stop', async () => {
    const database = await postgres.createDatabase()
    const handler = openPostgresHandler(database.url)
    await handler.handle(sample('callcov-completed.json'))
    expect(await connections(database)).toBe(1)
    await handler.stop()
    await waitFor('the connections to be closed', async () => (await connections(database)) === 0)
  })

  it('are others as soon as the address has changed, and what runs on the old ones may finish', async () => {
    const [before, after] = [await postgres.createDatabase(), await postgres.createDatabase()]
    let url = before.url
    const handler = openPostgresHandler(() => url)
    await handler.start()
    const work = Array.from({ length: 20 }, (_, index) =>
      handler.handle({ id: String(index), status: 'completed' }),
    )
    url = after.url
    await handler.handle(sample('callcov-completed.json'))
    await Promise.all(work)
    expect(await analyses(before)).toHaveLength(20)
    expect(await analyses(after)).toHaveLength(1)
  })
})
