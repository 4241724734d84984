import { pino, type Logger } from 'pino'
import type { Handler, HandlerContext } from '../../src/handlers/define-handler.ts'
import { deliveryId, sha256Hex } from '../../src/inbox/delivery-id.ts'
import { normaliseCallcov } from '../../src/sources/callcov/normalise.ts'
import { parseJson } from '../../src/sources/source.ts'
import { completedAnalysis } from './deliveries.ts'

export const silentLog = pino({ enabled: false })

export interface HandlerCall {
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
  const normalised = normaliseCallcov(parseJson(body)?.value)
  if (!normalised.ok) throw new Error(`the body is no event: ${normalised.problem}`)
  const { event } = normalised
  const context: HandlerContext = {
    delivery: {
      id: deliveryId('callcov', event.analysisId, event.status),
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
  await handler.handle(event, context)
}
