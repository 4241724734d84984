import { pino, type Logger } from 'pino'
import { loadConfig } from '../config.ts'
import type { Handler } from '../handlers/define-handler.ts'
import { readOwnHandler } from '../handlers/read-handler.ts'
import { wantsEvent } from '../handlers/wants-event.ts'
import type { FailureReason } from '../inbox/dead-letters.ts'
import type { EventType } from '../sources/sources.ts'
import { AttemptFailure, describeThrown } from './attempt-failure.ts'
import { NO_RETRY, nextDelayMs } from './retry-policy.ts'
import { AbandonedRuns, runHandler } from './run-handler.ts'
import { createTestDelivery, type TestEvent } from './test-event.ts'

export interface TestHandlerOptions {
  /** @default 1 */
  readonly attempt?: number
  /** @default 0 */
  readonly replay?: number
  /** Aborts the run, as a stop of the service would. */
  readonly signal?: AbortSignal
  /** @default one that writes nothing */
  readonly log?: Logger
}

interface TestFailure {
  readonly reason: FailureReason
  /** What the service would log and store. */
  readonly error: string
  readonly thrown: unknown
}

export type TestHandlerResult =
  | { readonly outcome: 'done' }
  /** The service would not hand it this event: see `on` and `livemode`. */
  | { readonly outcome: 'not wanted' }
  /** `delayMs`: what RetryLater asked for; otherwise the wait grows from `backoff`. */
  | ({ readonly outcome: 'retry'; readonly delayMs: number | undefined } & TestFailure)
  | ({ readonly outcome: 'dead letter' } & TestFailure)

/**
 * Runs a handler once as the worker would, without Redis: the same checks, context, timeout and judgement of what it
 * throws. Neither `start` nor `stop` is called.
 * @param event as much of an event as the test is about, or `{ body }` with the body of a webhook
 * @example expect(await testHandler(crm, { type: 'analysis.completed', results: {} })).toEqual({ outcome: 'done' })
 * @throws TypeError when the service would not load the handler, or the body is none that it would hand on
 */
export async function testHandler<Type extends EventType>(
  handler: Handler<Type>,
  event: TestEvent<Type>,
  { attempt = 1, replay = 0, signal, log }: TestHandlerOptions = {},
): Promise<TestHandlerResult> {
  const read = readOwnHandler(handler, loadConfig({}).handlerDefaults)
  if ('problem' in read) throw new TypeError(`the service would not load this handler: ${read.problem}`)
  const given = createTestDelivery(event)
  if (!wantsEvent(read.handler, given.event)) return { outcome: 'not wanted' }
  const run = {
    ...given,
    handler: read.handler,
    attempt,
    replay,
    log: log ?? pino({ level: 'silent' }),
    cancelled: signal ?? new AbortController().signal,
  }
  try {
    await runHandler(run, new AbandonedRuns())
    return { outcome: 'done' }
  } catch (thrown) {
    const failure = thrown instanceof AttemptFailure ? thrown : describeThrown(thrown)
    const { reason, text: error, delayMs } = failure
    const isLast = attempt >= read.handler.attempts
    return isLast || nextDelayMs(failure, attempt, read.handler) === NO_RETRY
      ? { outcome: 'dead letter', reason, error, thrown }
      : { outcome: 'retry', reason, error, thrown, delayMs }
  }
}
