import { deliveryId } from '../inbox/delivery-id.ts'
import type { StoredDelivery } from '../inbox/delivery-reader.ts'
import { findSource, type WebhookEvent } from '../sources/sources.ts'
import { AttemptFailure } from './attempt-failure.ts'

export interface ReadEvent {
  readonly event: WebhookEvent
  /** The same for every delivery of this outcome. */
  readonly id: string
  readonly createdAt: string | null
  readonly missing: readonly string[]
}

/**
 * What a stored body says.
 * @throws AttemptFailure `unrecognised` or `schema`, both final, or `unreadable` when the source is unknown here
 */
export function readEvent({ metadata, rawBody }: StoredDelivery): ReadEvent {
  const source = findSource(metadata.source)
  if (source === undefined) {
    throw new AttemptFailure('unreadable', `its source ${metadata.source} is unknown to this release`)
  }
  const body = source.parse(rawBody)
  if (body === undefined) {
    throw new AttemptFailure('unrecognised', 'the body is not in the form of its source', { final: true })
  }
  const identity = source.identify(body.value, metadata.sha256)
  if (identity === undefined) {
    const text = 'the body has no id, or no outcome that is known; see the raw body'
    throw new AttemptFailure('unrecognised', text, { final: true })
  }
  const normalised = source.normalise(body.value)
  if (!normalised.ok) throw new AttemptFailure('schema', normalised.problem, { final: true })
  const { event, createdAt, missing } = normalised
  return { event, id: deliveryId(source.name, identity.id, identity.outcome), createdAt, missing }
}
