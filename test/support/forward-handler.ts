import { createHash, randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Handler } from '../../src/handlers/define-handler.ts'
import { createForwardHandlers, type ForwardOptions } from '../../src/handlers/builtin/forward/index.ts'
import { callcov } from '../../src/sources/callcov/index.ts'
import { keepSecret } from './canary.ts'
import { completedAnalysis } from './deliveries.ts'

/** What a target must never be named with in any text: it stands in the path and the query of test targets. */
export const TARGET_CANARY = 'TARGETCANARY'

/** A secret as FORWARD_SECRET holds them, which must not turn up in any output. */
export function signingSecret(): string {
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  keepSecret(secret)
  return secret
}

/** The handler that forwards to this address; closed with the test. */
export function forwardTo(url: string, change: Partial<ForwardOptions> = {}): Handler {
  const secrets = [signingSecret()]
  const [handler] = createForwardHandlers({
    targets: [{ name: 'crm', url, on: ['analysis.completed', 'analysis.failed'] }],
    secrets: () => secrets,
    timeoutMs: 5000,
    allowPrivate: ['127.0.0.1'],
    ...change,
  })
  if (handler === undefined) throw new Error('no handler was made')
  onTestFinished(() => void handler.stop?.())
  return handler
}

export interface ForwardRun {
  readonly body?: string | Buffer
  readonly deliveryId?: string
  readonly attempt?: number
  readonly replay?: number
  readonly signal?: AbortSignal
}

/** One run of the handler, as the worker would have it; resolves and throws as the handler does. */
export async function runForward(handler: Handler, run: ForwardRun = {}): Promise<void> {
  const body = Buffer.from(run.body ?? JSON.stringify(completedAnalysis()))
  const normalised = callcov.normalise(JSON.parse(body.toString()))
  if (!normalised.ok) throw new Error(`the body is no event: ${normalised.problem}`)
  const sha256 = createHash('sha256').update(body).digest('hex')
  await handler.handle(normalised.event, {
    delivery: {
      id: run.deliveryId ?? sha256,
      receivedAt: '2026-01-02T03:04:05.678Z',
      bytes: body.length,
      sha256,
      origin: 'webhook',
      body: () => Buffer.from(body),
    },
    attempt: run.attempt ?? 1,
    replay: run.replay ?? 0,
    signal: run.signal ?? new AbortController().signal,
    log: pino({ enabled: false }),
  })
}

/** What the run threw. */
export async function failureOf(run: Promise<unknown>): Promise<Error> {
  const thrown: unknown = await run.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (thrown instanceof Error) return thrown
  throw new Error('nothing was thrown')
}
