import type { CallEvent } from '../../../sources/hamsa/events.ts'
import type { Delivery } from '../../define-handler.ts'
import { storableId, storableJson, storableText, storableTime } from './storable.ts'

/** What an event becomes in the table `call_events`, by column. */
export function callEventRow(event: CallEvent, delivery: Pick<Delivery, 'id' | 'receivedAt'>) {
  return {
    delivery_id: delivery.id,
    call_id: storableId(event.callId),
    type: event.type,
    happened_at: storableTime(event.timestamp),
    received_at: delivery.receivedAt,
    project_id: storableText(event.projectId),
    agent_id: storableText(event.agentId),
    agent_name: storableText(event.agentName),
    data: jsonOrNull(event.data),
    envelope: storableJson(envelopeOf(event)),
    ...(event.type === 'call.ended' && {
      conversation_id: storableText(event.conversationId),
      recording_url: storableText(event.recordingUrl),
      outcome: jsonOrNull(event.outcome),
      turns: event.transcript?.length ?? null,
    }),
  }
}

function jsonOrNull(value: Readonly<Record<string, unknown>> | null): string | null {
  return value === null ? null : storableJson(value)
}

function envelopeOf({ raw }: CallEvent): Record<string, unknown> {
  const { data: _data, ...envelope } = raw
  return envelope
}
