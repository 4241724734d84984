import type { ClientBase, Pool } from 'pg'
import { untilAborted } from '../../../until-aborted.ts'

/** The server gives up a statement before its caller is given up, so that it can say so. */
const STATEMENT_SHARE = 0.7

/**
 * Runs `work` in one transaction on a connection of the pool, no longer than `limitMs`, even when the server has
 * fallen silent.
 * @throws what `work` throws, the reason of `signal`, or a `TimeoutError`
 */
export async function inTransaction<Result>(
  pool: Pool,
  { signal, limitMs }: { signal: AbortSignal; limitMs: number },
  work: (client: ClientBase) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect()
  const ended = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  let isCommitted = false
  try {
    const result = await untilAborted(commit(), ended)
    isCommitted = true
    return result
  } finally {
    // A connection on which something failed is closed, which also rolls back whatever state it is in.
    client.release(!isCommitted)
  }

  async function commit(): Promise<Result> {
    // For this transaction only: poolers that hand one connection to many clients refuse settings of the connection.
    const statementMs = Math.round(limitMs * STATEMENT_SHARE)
    await client.query(`BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${statementMs}`)
    const result = await work(client)
    await client.query('COMMIT')
    return result
  }
}
