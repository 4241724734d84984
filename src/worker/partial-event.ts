import type { AnalysisEvent, AnalysisEventType } from '../sources/callcov/events.ts'
import type { CallEvent, CallEventType } from '../sources/hamsa/events.ts'
import type { EventType } from '../sources/sources.ts'

/** As much of an event as a test is about; what is left out is as the provider would leave it out. */
export type PartialEvent<Type extends EventType> = Type extends AnalysisEventType
  ? PartialAnalysis<Extract<AnalysisEvent, { type: Type }>>
  : Type extends CallEventType
    ? PartialCall<Extract<CallEvent, { type: Type }>>
    : never

type Nested = 'call' | 'audio' | 'transcript' | 'error'
type PartialAnalysis<Event extends AnalysisEvent> = Pick<Event, 'type'> &
  Partial<Omit<Event, 'type' | 'source' | 'status' | 'raw' | Nested>> & {
    readonly [Key in keyof Event as Extract<Key, Nested>]?: Partial<Event[Key]>
  }

type PartialCall<Event extends CallEvent> = Pick<Event, 'type'> &
  Partial<Omit<Event, 'type' | 'source' | 'raw'>>

/** The body from which the service would have made this event. */
export function bodyOf(event: PartialEvent<EventType>): Record<string, unknown> {
  return event.type === 'analysis.completed' || event.type === 'analysis.failed'
    ? analysisBody(event)
    : callBody(event)
}

function analysisBody(event: PartialEvent<AnalysisEventType>): Record<string, unknown> {
  const { call, audio, transcript } = event
  return {
    id: event.analysisId ?? 'anl_test',
    object: 'analysis',
    created: event.createdAt,
    livemode: event.livemode,
    call: { agent_id: call?.agentId, contact_id: call?.contactId },
    audio: { url: audio?.url, duration_seconds: audio?.durationSeconds, format: audio?.format },
    transcript,
    ...(event.type === 'analysis.failed'
      ? { status: 'failed', error: event.error ?? {} }
      : { status: 'completed', ...(event.partial !== true && { results: event.results ?? {} }) }),
  }
}

function callBody(event: PartialEvent<CallEventType>): Record<string, unknown> {
  const { type, callId = 'call_test', timestamp, projectId, agentId, agentName } = event
  const data = type === 'call.ended' ? { ...endingOf(event), ...event.data } : (event.data ?? null)
  return { eventType: type, callId, timestamp, projectId, agentId, agentName, data: { data } }
}

function endingOf(event: PartialEvent<'call.ended'>): Record<string, unknown> {
  return {
    conversationId: event.conversationId,
    conversationRecording: event.recordingUrl,
    transcription: event.transcript?.map(({ speaker, text }) => ({ [speaker]: text })),
    outcomeResult: event.outcome,
  }
}
