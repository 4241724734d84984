import { Pool, type ClientBase } from 'pg'
import type { Logger } from '../../../log.ts'
import { errorCode } from '../../../errors.ts'
import { untilAborted } from '../../../until-aborted.ts'
import { explainDatabaseError } from './explain-database-error.ts'
import { inTransaction } from './in-transaction.ts'
import { migrate } from './migrate.ts'

const CONNECT_WITHIN_MS = 5000
const WRITE_WITHIN_MS = 15_000
/** A later migration may have many rows to go through. */
const MIGRATE_WITHIN_MS = 10 * 60_000

/** SQLSTATEs of a schema that is not there (any more), or an older one: of a database restored from a backup, say. */
const SCHEMA_GONE = new Set(['3F000', '42P01', '42703'])

/** The connections to one database, whose schema is brought up to date before the first write. */
export class Database {
  readonly url: string
  readonly #pool: Pool
  readonly #closing = new AbortController()
  #migration: Promise<void> | undefined

  constructor(url: string, connections: number) {
    this.url = url
    this.#pool = new Pool({
      connectionString: withOwnMeaningOfSslmode(url),
      max: connections,
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      keepAlive: true,
      // A command that only erases something need not wait for idle connections.
      allowExitOnIdle: true,
      fallback_application_name: 'callcov-webhook-receiver',
    })
    // Without listeners, a connection that breaks would end the process. Whoever uses it is told by its query.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => void client.on('error', () => {}))
  }

  /** Migrates unless that was done; callers share one try, and the next call after a failed one tries again. */
  async migrate(log: Logger): Promise<void> {
    const migration = (this.#migration ??= this.#migrate(log))
    try {
      await migration
    } catch (error) {
      // Another caller may have begun the next try already.
      if (this.#migration === migration) this.#migration = undefined
      throw error
    }
  }

  /** Runs `work` in a transaction on the migrated schema. */
  async write<Result>(
    { signal, log }: { signal: AbortSignal; log: Logger },
    work: (client: ClientBase) => Promise<Result>,
  ): Promise<Result> {
    await untilAborted(this.migrate(log), signal)
    try {
      return await inTransaction(this.#pool, { signal, limitMs: WRITE_WITHIN_MS }, work)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (SCHEMA_GONE.has(errorCode(error) ?? '')) this.#migration = undefined
      throw explainDatabaseError(error)
    }
  }

  /** Runs `work` in a transaction on the schema as it is. */
  async use<Result>(work: (client: ClientBase) => Promise<Result>): Promise<Result> {
    return await this.#attempt(WRITE_WITHIN_MS, work)
  }

  /** Ends a migration that still runs; resolves when every connection is closed. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the connections are closed'))
    await this.#pool.end()
  }

  async #migrate(log: Logger): Promise<void> {
    const applied = await this.#attempt(MIGRATE_WITHIN_MS, migrate)
    if (applied.length > 0) log.info({ applied }, 'database schema brought up to date')
  }

  async #attempt<Result>(limitMs: number, work: (client: ClientBase) => Promise<Result>): Promise<Result> {
    try {
      return await inTransaction(this.#pool, { signal: this.#closing.signal, limitMs }, work)
    } catch (error) {
      throw explainDatabaseError(error)
    }
  }
}

/**
 * The driver takes `prefer`, `require` and `verify-ca` as `verify-full`, warns of it on standard error, and means to
 * weaken them in its next major version. Here they mean `verify-full`, unless the URL asks for the meaning of libpq.
 */
function withOwnMeaningOfSslmode(url: string): string {
  if (url.includes('uselibpqcompat=true')) return url
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full')
}
