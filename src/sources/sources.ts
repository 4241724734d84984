import * as all from './all.ts'
import type { Source } from './source.ts'

type EventIn<AnySource> = AnySource extends Source<infer Event> ? Event : never

/** Every event a handler can be given. */
export type WebhookEvent = EventIn<(typeof all)[keyof typeof all]>
export type EventType = WebhookEvent['type']
export type EventOf<Type extends EventType> = Extract<WebhookEvent, { type: Type }>

export const sources: readonly Source<WebhookEvent>[] = Object.values(all)

export const EVENT_TYPES: readonly EventType[] = sources.flatMap(({ eventTypes }) => eventTypes)

export function findSource(name: string): Source<WebhookEvent> | undefined {
  return sources.find((source) => source.name === name)
}
