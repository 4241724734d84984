import { providerId } from '../provider-id.ts'
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
    ? (providerId(namedId) ?? providerId(objectId))
    : (providerId(objectId) ?? providerId(namedId))
  const type = eventType(event, status)
  if (id === undefined || type === undefined) return undefined
  return { id, type, outcome: type === 'analysis.completed' ? 'completed' : 'failed' }
}

function eventType(event: unknown, status: unknown): AnalysisEventType | undefined {
  const named = ANALYSIS_EVENTS.find((type) => type === event)
  const reported =
    typeof status === 'string' ? ANALYSIS_EVENTS.find((type) => type === `analysis.${status}`) : undefined
  if (event === undefined || event === null) return reported
  if (status === undefined || status === null) return named
  return named === reported ? named : undefined
}
