import type { WebhookEvent } from '../sources/sources.ts'
import type { LoadedHandler } from './read-handler.ts'

/** Whether a handler is to be given an event: its type is one of `on`, and its mode that of `livemode`. */
export function wantsEvent(
  { on, livemode }: Pick<LoadedHandler, 'on' | 'livemode'>,
  event: WebhookEvent,
): boolean {
  if (!on.has(event.type)) return false
  return livemode === undefined || livemode === isLive(event)
}

/** Not every source has a mode. Whatever does not say counts as live: what is meant for production must not get lost. */
function isLive(event: WebhookEvent): boolean {
  return ('livemode' in event ? event.livemode : null) ?? true
}
