import { EVENT_TYPES } from '../../../sources/sources.ts'
import { defineHandler, type Handler } from '../../define-handler.ts'
import { Database } from './database.ts'
import { eraseId, storingOf } from './store-event.ts'

/** Runs at once and, so that none waits for another, connections. */
const CONCURRENCY = 10

/** Stores analyses and calls in PostgreSQL; see docs/postgres.md. */
export function createPostgresHandler({ databaseUrl }: { databaseUrl: () => string }): Handler {
  let current: Database | undefined

  /** A new password, in a file of secrets, makes a new address; the old connections close when they are idle. */
  function openDatabase(): Database {
    const url = databaseUrl()
    if (current?.url === url) return current
    current = new Database(url, CONCURRENCY)
    return current
  }

  return defineHandler({
    name: 'postgres',
    on: EVENT_TYPES,
    timeout: '30s',
    concurrency: CONCURRENCY,
    breaker: { failures: 5, openFor: '30s' },
    start: ({ log }) => openDatabase().migrate(log),
    async handle(event, { delivery, signal, log }) {
      const store = storingOf(event, delivery)
      if (store === undefined) log.debug('not stored: there are no tables for events of this source')
      else await openDatabase().write({ signal, log }, store)
    },
    async stop() {
      const last = current
      current = undefined
      await last?.close()
    },
    forget: (id) => openDatabase().use((client) => eraseId(client, id)),
  })
}
