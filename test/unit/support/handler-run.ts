import { pino } from 'pino'
import type { LoadedHandler } from '../../../src/handlers/read-handler.ts'
import type { HandlerRun } from '../../../src/worker/run-handler.ts'
import { completedAnalysis } from '../../support/deliveries.ts'
import { completedEvent } from './normalised.ts'

const BODY = Buffer.from(JSON.stringify(completedAnalysis()))

/** A run of this function as a handler, with a timeout that no test waits for. */
export function runOf(handle: LoadedHandler['handle'], change: Partial<HandlerRun> = {}): HandlerRun {
  return {
    handler: {
      name: 'crm',
      on: new Set(['analysis.completed']),
      livemode: undefined,
      timeoutMs: 60_000,
      concurrency: 20,
      attempts: 40,
      backoffMs: 5000,
      backoffMaxMs: 3_600_000,
      breaker: undefined,
      handle,
      start: undefined,
      stop: undefined,
      onDeadLetter: undefined,
      forget: undefined,
    },
    event: completedEvent(JSON.parse(BODY.toString())),
    delivery: {
      id: 'd1'.repeat(32),
      receivedAt: '2026-01-02T03:04:05.678Z',
      bytes: BODY.length,
      sha256: 'a7'.repeat(32),
      origin: 'webhook',
      body: () => BODY,
    },
    attempt: 1,
    replay: 0,
    log: pino({ enabled: false }),
    cancelled: new AbortController().signal,
    ...change,
  }
}
