import { readdirSync, readFileSync } from 'node:fs'
import type { ClientBase } from 'pg'

const FOLDER = new URL('./migrations/', import.meta.url)
const MIGRATION_FILE = /^(\d{3})-[a-z-]+\.sql$/

/** Of the advisory lock; any number does that nobody else in the database takes by chance. */
const LOCK = '7233018490264518373'

interface Migration {
  readonly number: number
  readonly file: string
}

/**
 * Makes the schema or brings it up to date, in a transaction of the caller's; workers that start together wait for
 * each other. Returns the files that were applied. A schema of a newer release is left as it is: migrations only add.
 */
export async function migrate(client: ClientBase): Promise<string[]> {
  await requireUnicode(client)
  // Most starts find nothing to do: they need no lock, and no right but to read.
  if ((await missingMigrations(client)).length === 0) return []
  await client.query(`SELECT pg_advisory_xact_lock(${LOCK})`)
  const missing = await missingMigrations(client)
  await createSchema(client)
  for (const { number, file } of missing) {
    await client.query(readFileSync(new URL(file, FOLDER), 'utf8'))
    await client.query('INSERT INTO callcov_receiver.migrations (number, file) VALUES ($1, $2)', [
      number,
      file,
    ])
  }
  return missing.map(({ file }) => file)
}

async function requireUnicode(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ server_encoding: string }>('SHOW server_encoding')
  const encoding = rows[0]?.server_encoding
  if (encoding !== 'UTF8') {
    throw new Error(
      `the database of DATABASE_URL has the encoding ${encoding}, which cannot hold every transcript: create one with ENCODING 'UTF8'`,
    )
  }
}

async function missingMigrations(client: ClientBase): Promise<Migration[]> {
  const migrations = listMigrations()
  if (!(await hasTable(client, 'migrations'))) return migrations
  const { rows } = await client.query<{ number: number }>('SELECT number FROM callcov_receiver.migrations')
  const applied = new Set(rows.map(({ number }) => number))
  return migrations.filter(({ number }) => !applied.has(number))
}

/**
 * Whether the schema has this table. It asks the catalogue, as `to_regclass` remembers what it did not find, and so
 * overlooks what another worker has made while this one waited for the lock.
 */
export async function hasTable(client: ClientBase, name: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = 'callcov_receiver' AND relname = $1`,
    [name],
  )
  return rowCount !== 0
}

function listMigrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => MIGRATION_FILE.test(file))
    .toSorted()
    .map((file) => ({ number: Number(file.slice(0, 3)), file }))
}

async function createSchema(client: ClientBase): Promise<void> {
  const { rowCount } = await client.query("SELECT FROM pg_namespace WHERE nspname = 'callcov_receiver'")
  // `IF NOT EXISTS` would ask for the right to create even what is there already.
  if (rowCount === 0) await client.query('CREATE SCHEMA callcov_receiver')
  await client.query(`
    CREATE TABLE IF NOT EXISTS callcov_receiver.migrations (
      number integer PRIMARY KEY,
      file text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`)
}
