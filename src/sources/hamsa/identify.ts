import { providerId } from '../provider-id.ts'
import type { Identity } from '../source.ts'
import { CALL_EVENTS, type CallEventType } from './events.ts'

/**
 * Reads call id and event type. Two events of one type may fall into one millisecond, and Hamsa numbers nothing, so
 * the digest of the body is part of the outcome. `undefined` without a call id, or for an unknown event type.
 */
export function identifyHamsa(json: unknown, bodySha256: string): Identity | undefined {
  const named = nameCall(json)
  if (named === undefined) return undefined
  const moment = typeof named.timestamp === 'string' ? named.timestamp : ''
  return { id: named.callId, type: named.type, outcome: `${named.type} ${moment} ${bodySha256}` }
}

/** What every body must have, and the time of it as sent. */
export function nameCall(
  json: unknown,
): { callId: string; type: CallEventType; timestamp: unknown } | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const fields = json as Record<string, unknown>
  const callId = providerId(fields.callId)
  const type = CALL_EVENTS.find((known) => known === fields.eventType)
  return callId === undefined || type === undefined
    ? undefined
    : { callId, type, timestamp: fields.timestamp }
}
