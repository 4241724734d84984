import { ANALYSIS_EVENTS, type AnalysisEvent } from './callcov/events.ts'
import { callcov } from './callcov/index.ts'
import type { Source } from './source.ts'

/** Every event a handler can be given. */
export type WebhookEvent = AnalysisEvent
export type EventType = WebhookEvent['type']
export type EventOf<Type extends EventType> = Extract<WebhookEvent, { type: Type }>

export const EVENT_TYPES: readonly EventType[] = [...ANALYSIS_EVENTS]

/** Every provider whose webhooks the service understands. A new one is a folder beside this file and a line here. */
export const sources: readonly Source<WebhookEvent>[] = [callcov]

export function findSource(name: string): Source<WebhookEvent> | undefined {
  return sources.find((source) => source.name === name)
}
