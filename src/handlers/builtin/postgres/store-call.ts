import type { ClientBase } from 'pg'
import type { CallEvent, TranscriptTurn } from '../../../sources/hamsa/events.ts'
import type { Delivery } from '../../define-handler.ts'
import { callEventRow } from './call-row.ts'
import { hasTable } from './migrate.ts'
import { storableId, storableText } from './storable.ts'

/**
 * Stores an event of a call, in a transaction of the caller's, and makes the row of the call anew from all its events.
 * So the end is the same in whatever order, and however often, deliveries are handled.
 */
export async function storeCall(
  client: ClientBase,
  event: CallEvent,
  delivery: Pick<Delivery, 'id' | 'receivedAt'>,
): Promise<void> {
  const row = callEventRow(event, delivery)
  // The row of the call is locked from here on, so that no event comes between that the new one does not know.
  await client.query(LOCK_CALL, [row.call_id, row.received_at])
  await client.query(insertOf(Object.keys(row)), Object.values(row))
  const { rows } = await client.query<{ transcript_delivery_id: string | null }>(RENEW_CALL, [row.call_id])
  if (event.type !== 'call.ended' || event.transcript === null) return
  if (rows[0]?.transcript_delivery_id === delivery.id) {
    await storeTurns(client, row.call_id, event.transcript)
  }
}

const LOCK_CALL = `
  INSERT INTO callcov_receiver.calls AS stored (call_id, received_at) VALUES ($1, $2)
  ON CONFLICT (call_id) DO UPDATE SET stored_at = now()`

function insertOf(columns: readonly string[]): string {
  return `
    INSERT INTO callcov_receiver.call_events (${columns.join(', ')})
    VALUES (${columns.map((_column, index) => `$${index + 1}`).join(', ')})
    ON CONFLICT (delivery_id) DO NOTHING`
}

/** An event that does not say when it happened yields to those that do; of the same time, the later received wins. */
const NEWEST_FIRST = 'happened_at DESC NULLS LAST, received_at DESC, delivery_id DESC'

const RENEW_CALL = `
  UPDATE callcov_receiver.calls
  SET started_at = known.started_at, answered_at = known.answered_at, ended_at = known.ended_at,
    ended = known.ended, project_id = known.project_id, agent_id = known.agent_id,
    agent_name = known.agent_name, conversation_id = known.conversation_id,
    recording_url = known.recording_url, outcome = known.outcome,
    transcript_delivery_id = known.transcript_delivery_id, received_at = known.received_at
  FROM (
    SELECT
      max(happened_at) FILTER (WHERE type = 'call.started') AS started_at,
      max(happened_at) FILTER (WHERE type = 'call.answered') AS answered_at,
      max(happened_at) FILTER (WHERE type = 'call.ended') AS ended_at,
      bool_or(type = 'call.ended') AS ended,
      ${newestKnown('project_id')},
      ${newestKnown('agent_id')},
      ${newestKnown('agent_name')},
      ${newestKnown('conversation_id')},
      ${newestKnown('recording_url')},
      ${newestKnown('outcome')},
      (array_agg(delivery_id ORDER BY ${NEWEST_FIRST}) FILTER (WHERE turns IS NOT NULL))[1]
        AS transcript_delivery_id,
      min(received_at) AS received_at
    FROM callcov_receiver.call_events
    WHERE call_id = $1
  ) AS known
  WHERE calls.call_id = $1
  RETURNING calls.transcript_delivery_id`

function newestKnown(column: string): string {
  return `(array_agg(${column} ORDER BY ${NEWEST_FIRST}) FILTER (WHERE ${column} IS NOT NULL))[1] AS ${column}`
}

/** In one statement, which deletes and inserts different rows. */
const REPLACE_TURNS = `
  WITH surplus AS (DELETE FROM callcov_receiver.call_turns WHERE call_id = $1 AND position > $2)
  INSERT INTO callcov_receiver.call_turns (call_id, position, speaker, text)
  SELECT $1, sent.position, sent.speaker, sent.text
  FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS sent (speaker, text, position)
  ON CONFLICT (call_id, position) DO UPDATE SET speaker = excluded.speaker, text = excluded.text`

async function storeTurns(
  client: ClientBase,
  callId: string,
  turns: readonly TranscriptTurn[],
): Promise<void> {
  await client.query(REPLACE_TURNS, [
    callId,
    turns.length,
    turns.map(({ speaker }) => storableText(speaker)),
    turns.map(({ text }) => storableText(text)),
  ])
}

/** Erases a call with its events and its transcript; returns how many calls went. */
export async function eraseCall(client: ClientBase, callId: string): Promise<number> {
  if (!(await hasTable(client, 'calls'))) return 0
  const { rowCount } = await client.query('DELETE FROM callcov_receiver.calls WHERE call_id = $1', [
    storableId(callId),
  ])
  return rowCount ?? 0
}
