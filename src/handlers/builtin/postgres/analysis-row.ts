import type { AnalysisEvent } from '../../../sources/callcov/events.ts'
import type { Delivery } from '../../define-handler.ts'
import { storableId, storableJson, storableText, storableTime } from './storable.ts'

/** What an event becomes in the table `analyses`, by column. */
export function analysisRow(event: AnalysisEvent, delivery: Pick<Delivery, 'id' | 'receivedAt'>) {
  const { call, audio, transcript } = event
  return {
    analysis_id: storableId(event.analysisId),
    status: event.status,
    livemode: event.livemode,
    created_at: storableTime(event.createdAt),
    received_at: delivery.receivedAt,
    delivery_id: delivery.id,
    agent_id: storableText(call.agentId),
    contact_id: storableText(call.contactId),
    duration_seconds: audio.durationSeconds,
    audio_url: storableText(audio.url),
    audio_format: storableText(audio.format),
    language: storableText(transcript.language),
    transcript: storableText(transcript.text),
    envelope: storableJson(envelopeOf(event)),
    ...outcomeColumns(event),
  }
}

/** Every outcome sets all of them, so that nothing of another one stays behind. */
function outcomeColumns(event: AnalysisEvent) {
  if (event.status === 'completed') {
    const failure = { error_message: null, error_code: null, error_details: null }
    return { partial: event.partial, results: storableJson(event.results), ...failure }
  }
  const { message, code, details } = event.error
  return {
    partial: false,
    results: null,
    error_message: storableText(message),
    error_code: storableText(code),
    error_details: details === null || details === undefined ? null : storableJson(details),
  }
}

function envelopeOf({ raw }: AnalysisEvent): Record<string, unknown> {
  const { transcript: _transcript, results: _results, result: _result, ...envelope } = raw
  return envelope
}
