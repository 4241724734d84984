import type { ClientBase } from 'pg'
import type { AnalysisEvent, TranscriptSegment } from '../../../sources/callcov/events.ts'
import type { Delivery } from '../../define-handler.ts'
import { analysisRow } from './analysis-row.ts'
import { hasTable } from './migrate.ts'
import { storableId, storableText } from './storable.ts'

/**
 * Stores an analysis and its segments, in a transaction of the caller's, unless what is stored outranks it: a
 * completion outranks a failure, and else the delivery that was received later wins. So the end is the same in
 * whatever order, and however often, deliveries are handled.
 */
export async function storeAnalysis(
  client: ClientBase,
  event: AnalysisEvent,
  delivery: Pick<Delivery, 'id' | 'receivedAt'>,
): Promise<void> {
  const row = analysisRow(event, delivery)
  const { rowCount } = await client.query(upsertOf(Object.keys(row)), Object.values(row))
  // The row is locked from here on, so that no other delivery writes segments between.
  if (rowCount === 1) await storeSegments(client, row.analysis_id, event.transcript.segments)
}

function upsertOf(columns: readonly string[]): string {
  return `
    INSERT INTO callcov_receiver.analyses AS stored (${columns.join(', ')})
    VALUES (${columns.map((_column, index) => `$${index + 1}`).join(', ')})
    ON CONFLICT (analysis_id) DO UPDATE
    SET ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}, stored_at = now()
    WHERE (excluded.status = 'completed', excluded.received_at) >= (stored.status = 'completed', stored.received_at)`
}

/** In one statement, which deletes and inserts different rows. */
const REPLACE_SEGMENTS = `
  WITH surplus AS (DELETE FROM callcov_receiver.segments WHERE analysis_id = $1 AND position > $2)
  INSERT INTO callcov_receiver.segments (analysis_id, position, speaker, text, start_seconds, end_seconds)
  SELECT $1, sent.position, sent.speaker, sent.text, sent.start_seconds, sent.end_seconds
  FROM unnest($3::text[], $4::text[], $5::float8[], $6::float8[]) WITH ORDINALITY
    AS sent (speaker, text, start_seconds, end_seconds, position)
  ON CONFLICT (analysis_id, position) DO UPDATE
  SET speaker = excluded.speaker, text = excluded.text,
    start_seconds = excluded.start_seconds, end_seconds = excluded.end_seconds`

async function storeSegments(
  client: ClientBase,
  analysisId: string,
  segments: readonly TranscriptSegment[],
): Promise<void> {
  await client.query(REPLACE_SEGMENTS, [
    analysisId,
    segments.length,
    segments.map(({ speaker }) => storableText(speaker)),
    segments.map(({ text }) => storableText(text)),
    segments.map(({ start }) => start),
    segments.map(({ end }) => end),
  ])
}

/** Erases an analysis with its segments; returns how many analyses went. */
export async function eraseAnalysis(client: ClientBase, analysisId: string): Promise<number> {
  if (!(await hasTable(client, 'analyses'))) return 0
  const { rowCount } = await client.query('DELETE FROM callcov_receiver.analyses WHERE analysis_id = $1', [
    storableId(analysisId),
  ])
  return rowCount ?? 0
}
