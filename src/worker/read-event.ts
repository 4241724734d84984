import { deliveryId } from '../inbox/delivery-id.ts'
import type { StoredDelivery } from '../inbox/delivery-reader.ts'
import { parseJson } from '../sources/source.ts'
import { findSource, type WebhookEvent } from '../sources/sources.ts'
import { AttemptFailure } from './attempt-failure.ts'

/**
 * What a stored body says: the typed event, and the id that is the same for every delivery of this outcome.
 * @throws AttemptFailure `unrecognised` or `schema`, both final, or `unreadable` when the source is unknown here
 */
export function readEvent({ metadata, rawBody }: StoredDelivery): { event: WebhookEvent; id: string } {
  const source = findSource(metadata.source)
  if (source === undefined) {
    throw new AttemptFailure('unreadable', `its source ${metadata.source} is unknown to this release`)
  }
  const json = parseJson(rawBody)
  if (json === undefined)
    throw new AttemptFailure('unrecognised', 'the body is no JSON in UTF-8', { final: true })
  const identity = source.identify(json.value, metadata.sha256)
  if (identity === undefined) {
    const text = 'the body has no id, or no outcome that is known; see the raw body'
    throw new AttemptFailure('unrecognised', text, { final: true })
  }
  const normalised = source.normalise(json.value)
  if (!normalised.ok) throw new AttemptFailure('schema', normalised.problem, { final: true })
  return { event: normalised.event, id: deliveryId(source.name, identity.id, identity.outcome) }
}
