import type { LogFacts } from '../source.ts'
import type { CallEvent } from './events.ts'

/** Of a call: when, by which agent, and how much was said. */
export function hamsaLogFacts(event: CallEvent): LogFacts {
  const facts = { timestamp: event.timestamp, agentId: event.agentId }
  if (event.type !== 'call.ended') return facts
  return { ...facts, conversationId: event.conversationId, turns: event.transcript?.length ?? null }
}
