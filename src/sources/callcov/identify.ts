import type { Identity } from '../source.ts'
import { ANALYSIS_EVENTS, type AnalysisEventType } from './events.ts'

/**
 * Reads id and outcome from either shape: `id`/`status` (the analysis object of the webhooks guide) or
 * `analysis_id`/`event` (the best practices). `undefined` for anything else: no id, an unfinished or unknown
 * status, or an `event` and a `status` that contradict each other.
 */
export function identifyCallcov(json: unknown): Identity | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { event, status, id: objectId, analysis_id: namedId } = json as Record<string, unknown>
  const isEventShape = event !== undefined && event !== null
  const id = isEventShape
    ? (analysisId(namedId) ?? analysisId(objectId))
    : (analysisId(objectId) ?? analysisId(namedId))
  const type = eventType(event, status)
  if (id === undefined || type === undefined) return undefined
  return { id, type, outcome: type === 'analysis.completed' ? 'completed' : 'failed' }
}

/** Any non-empty string, or a safe integer: past 2^53 two different numbers would share one text. */
function analysisId(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  return Number.isSafeInteger(value) ? String(value) : undefined
}

function eventType(event: unknown, status: unknown): AnalysisEventType | undefined {
  const named = ANALYSIS_EVENTS.find((type) => type === event)
  const reported =
    typeof status === 'string' ? ANALYSIS_EVENTS.find((type) => type === `analysis.${status}`) : undefined
  if (event === undefined || event === null) return reported
  if (status === undefined || status === null) return named
  return named === reported ? named : undefined
}
