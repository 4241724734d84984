import type { Delivery } from '../handlers/define-handler.ts'
import { deliveryId, sha256Hex } from '../inbox/delivery-id.ts'
import type { AnalysisCompleted, AnalysisEvent, AnalysisFailed } from '../sources/callcov/events.ts'
import { callcov } from '../sources/callcov/index.ts'
import { parseJson } from '../sources/source.ts'
import type { EventType, WebhookEvent } from '../sources/sources.ts'

/** As much of an event as a test is about; what is left out is as CallCov would leave it out. */
export type PartialEvent<Type extends EventType> = Type extends 'analysis.completed'
  ? PartialAnalysis<AnalysisCompleted>
  : PartialAnalysis<AnalysisFailed>

type Nested = 'call' | 'audio' | 'transcript' | 'error'
type PartialAnalysis<Event extends AnalysisEvent> = Pick<Event, 'type'> &
  Partial<Omit<Event, 'type' | 'source' | 'status' | 'raw' | Nested>> & {
    readonly [Key in keyof Event as Extract<Key, Nested>]?: Partial<Event[Key]>
  }

/** The exact body of a webhook, as bytes, as text or as the object it holds. */
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
  const content = 'body' in given ? given.body : callcovBody(given)
  const isBytes = typeof content === 'string' || content instanceof Uint8Array
  const rawBody = Buffer.from(isBytes ? content : JSON.stringify(content))
  const sha256 = sha256Hex(rawBody)
  const json = parseJson(rawBody)
  const identity = callcov.identify(json?.value, sha256)
  if (identity === undefined) throw new TypeError('the body is no JSON, or names no id and outcome')
  const normalised = callcov.normalise(json?.value)
  if (!normalised.ok) throw new TypeError(`the body does not fit: ${normalised.problem}`)
  const delivery: Delivery = {
    id: deliveryId(callcov.name, identity.id, identity.outcome),
    receivedAt: new Date().toISOString(),
    bytes: rawBody.length,
    sha256,
    origin: 'webhook',
    body: () => Buffer.from(rawBody),
  }
  return { event: normalised.event, delivery }
}

/** The body from which the service would have made this event. */
function callcovBody(event: PartialEvent<EventType>): Record<string, unknown> {
  const { call, audio, transcript } = event
  return {
    id: event.analysisId ?? 'anl_test',
    object: 'analysis',
    created: event.createdAt,
    livemode: event.livemode,
    call: { agent_id: call?.agentId, contact_id: call?.contactId },
    audio: { url: audio?.url, duration_seconds: audio?.durationSeconds, format: audio?.format },
    transcript,
    ...(event.type === 'analysis.failed'
      ? { status: 'failed', error: event.error ?? {} }
      : { status: 'completed', ...(event.partial !== true && { results: event.results ?? {} }) }),
  }
}
