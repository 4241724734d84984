import type { AnalysisCompleted, AnalysisEvent, AnalysisFailed } from '../../../src/sources/callcov/events.ts'
import { normaliseCallcov } from '../../../src/sources/callcov/normalise.ts'

export function completedEvent(json: unknown): AnalysisCompleted {
  const event = eventOf(json)
  if (event.type !== 'analysis.completed') throw new Error(`became ${event.type}`)
  return event
}

export function failedEvent(json: unknown): AnalysisFailed {
  const event = eventOf(json)
  if (event.type !== 'analysis.failed') throw new Error(`became ${event.type}`)
  return event
}

/** What keeps this JSON from becoming an event. */
export function problemOf(json: unknown): string {
  const normalised = normaliseCallcov(json)
  if (normalised.ok) throw new Error(`became an event ${normalised.event.type}`)
  return normalised.problem
}

function eventOf(json: unknown): AnalysisEvent {
  const normalised = normaliseCallcov(json)
  if (!normalised.ok) throw new Error(`became no event: ${normalised.problem}`)
  return normalised.event
}
