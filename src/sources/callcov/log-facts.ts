import type { LogFacts } from '../source.ts'
import type { AnalysisEvent } from './events.ts'

/** Of an analysis: its time, and how much there is of what. */
export function callcovLogFacts(event: AnalysisEvent): LogFacts {
  const facts = {
    createdAt: event.createdAt,
    livemode: event.livemode,
    durationSeconds: event.audio.durationSeconds,
    segments: event.transcript.segments.length,
  }
  if (event.type === 'analysis.failed') return { ...facts, errorCode: event.error.code }
  return { ...facts, partial: event.partial }
}
