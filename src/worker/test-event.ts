import type { Delivery } from '../handlers/define-handler.ts'
import { deliveryId, sha256Hex } from '../inbox/delivery-id.ts'
import { sources, type EventType, type WebhookEvent } from '../sources/sources.ts'
import { bodyOf, type PartialEvent } from './partial-event.ts'

/** The exact body of a webhook of any source, as bytes, as text or as the object that its JSON holds. */
export interface TestBody {
  readonly body: string | Uint8Array | Readonly<Record<string, unknown>>
}

export type TestEvent<Type extends EventType> = PartialEvent<Type> | TestBody

export interface TestDelivery {
  readonly event: WebhookEvent
  readonly delivery: Delivery
}

/**
 * The event and the delivery that a webhook would have brought, made by the code that makes those of the service.
 * @throws TypeError when a body is none that the service would hand to a handler
 */
export function createTestDelivery(given: TestEvent<EventType>): TestDelivery {
  const content = 'body' in given ? given.body : bodyOf(given)
  const isBytes = typeof content === 'string' || content instanceof Uint8Array
  const rawBody = Buffer.from(isBytes ? content : JSON.stringify(content))
  const sha256 = sha256Hex(rawBody)
  const { source, identity, value } = recognise(rawBody, sha256)
  const normalised = source.normalise(value)
  if (!normalised.ok) throw new TypeError(`the body does not fit: ${normalised.problem}`)
  const delivery: Delivery = {
    id: deliveryId(source.name, identity.id, identity.outcome),
    receivedAt: new Date().toISOString(),
    bytes: rawBody.length,
    sha256,
    origin: 'webhook',
    body: () => Buffer.from(rawBody),
  }
  return { event: normalised.event, delivery }
}

/** A test says nothing of the path that a body came by: the source is the first that knows it. */
function recognise(rawBody: Buffer, sha256: string) {
  for (const source of sources) {
    const parsed = source.parse(rawBody)
    const identity = parsed && source.identify(parsed.value, sha256)
    if (identity !== undefined) return { source, identity, value: parsed?.value }
  }
  throw new TypeError('the body is not in the form of any source, or names no id and outcome')
}
