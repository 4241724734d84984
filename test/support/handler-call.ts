import { pino, type Logger } from 'pino'
import type { Handler, HandlerContext } from '../../src/handlers/define-handler.ts'
import { deliveryId, sha256Hex } from '../../src/inbox/delivery-id.ts'
import { findSource } from '../../src/sources/sources.ts'
import { completedAnalysis } from './deliveries.ts'

export const silentLog = pino({ enabled: false })

export interface HandlerCall {
  /** Whose body it is. */
  readonly source?: 'callcov' | 'hamsa'
  /** Changes to a completed analysis; without meaning when there is a body. */
  readonly fields?: Record<string, unknown>
  readonly body?: string | Buffer
  readonly receivedAt?: string
  readonly signal?: AbortSignal
  readonly log?: Logger
}

/** Calls a handler as the worker would for a delivery with this body. */
export async function callHandler(handler: Handler, call: HandlerCall = {}): Promise<void> {
  const body = Buffer.from(call.body ?? JSON.stringify({ ...completedAnalysis(), ...call.fields }))
  const source = findSource(call.source ?? 'callcov')
  const value = source?.parse(body)?.value
  const identity = source?.identify(value, sha256Hex(body))
  const normalised = source?.normalise(value)
  if (normalised?.ok !== true || identity === undefined) throw new Error('the body is no event')
  const context: HandlerContext = {
    delivery: {
      id: deliveryId(normalised.event.source, identity.id, identity.outcome),
      receivedAt: call.receivedAt ?? '2026-03-04T05:06:07.008Z',
      bytes: body.length,
      sha256: sha256Hex(body),
      origin: 'webhook',
      body: () => Buffer.from(body),
    },
    attempt: 1,
    replay: 0,
    signal: call.signal ?? new AbortController().signal,
    log: call.log ?? silentLog,
  }
  await handler.handle(normalised.event, context)
}
