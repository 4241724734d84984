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

/** The source of an event. */
export function sourceOf({ source: name }: Pick<WebhookEvent, 'source'>): Source<WebhookEvent> {
  const source = findSource(name)
  if (source === undefined) throw new TypeError(`there is no source ${name}`)
  return source
}

/** The provider's own id of what an event is about, an analysis or a call: the one that `forget` is given. */
export function eventId(event: WebhookEvent, bodySha256: string): string {
  const identity = sourceOf(event).identify(event.raw, bodySha256)
  if (identity === undefined) throw new TypeError(`the event ${event.type} is not made of its body`)
  return identity.id
}
