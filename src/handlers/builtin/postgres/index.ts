import { ANALYSIS_EVENTS } from '../../../sources/callcov/events.ts'
import { defineHandler, type Handler } from '../../define-handler.ts'
import { Database } from './database.ts'
import { eraseAnalysis, storeAnalysis } from './store-analysis.ts'

/** Runs at once and, so that none waits for another, connections. */
const CONCURRENCY = 10

/** Stores every analysis in PostgreSQL; see docs/postgres.md. */
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
    on: ANALYSIS_EVENTS,
    timeout: '30s',
    concurrency: CONCURRENCY,
    breaker: { failures: 5, openFor: '30s' },
    start: ({ log }) => openDatabase().migrate(log),
    handle: (event, { delivery, signal, log }) =>
      openDatabase().write({ signal, log }, (client) => storeAnalysis(client, event, delivery)),
    async stop() {
      const last = current
      current = undefined
      await last?.close()
    },
    forget: (id) => openDatabase().use((client) => eraseAnalysis(client, id)),
  })
}
