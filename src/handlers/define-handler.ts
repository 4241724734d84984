import type { Logger } from 'pino'
import type { StringValue } from 'ms'
import type { EventOf, EventType } from '../sources/sources.ts'

/** What a handler is told about the delivery, besides the event. */
export interface Delivery {
  /** The idempotency key: the same on every attempt, replay and re-delivery of this outcome. */
  readonly id: string
  /** When the service stored it, ISO 8601. */
  readonly receivedAt: string
  /** Length of the body. */
  readonly bytes: number
  /** Of the body, in hex. */
  readonly sha256: string
  /** `webhook`: the provider sent it; `fetched`: this service asked the provider's API for it. */
  readonly origin: 'webhook' | 'fetched'
  /** The exact bytes as received. */
  body(): Buffer
}

export interface HandlerContext {
  readonly delivery: Delivery
  /** 1 for the first try of this handler. */
  readonly attempt: number
  /** How often this delivery was replayed by hand. */
  readonly replay: number
  /** Aborted when the timeout is over or the service stops: pass it to `fetch` and to database calls. */
  readonly signal: AbortSignal
  /** Writes to the service's log, with the ids of this run. */
  readonly log: Logger
}

export interface HandlerOptions {
  /** Time for one attempt, like `30s`. @default HANDLER_TIMEOUT */
  readonly timeout?: StringValue
  /** Runs at once, per worker. @default HANDLER_CONCURRENCY */
  readonly concurrency?: number
  /** Tries before the delivery becomes a dead letter of this handler. @default HANDLER_ATTEMPTS */
  readonly attempts?: number
  /** Wait after the first failed attempt; doubles with each. @default HANDLER_BACKOFF */
  readonly backoff?: StringValue
  /** After so many failed runs in a row the handler rests, then one run probes its target. @default none */
  readonly breaker?: BreakerOptions
  /** `true`: no test-mode events; `false`: only those. An event that does not say counts as live. @default both */
  readonly livemode?: boolean
}

export interface BreakerOptions {
  /** Failed runs in a row that open it; `PermanentError` says something of the delivery and does not count. */
  readonly failures: number
  /** The first rest, like `30s`; it doubles with each failed probe, to at most ten times as long. */
  readonly openFor: StringValue
}

/** A delivery that a handler gave up on, or that was not understood. */
export interface DeadLetter {
  /** The handler that gave up; `inbox` for a delivery that never reached one. */
  readonly handler: string
  /** A word of a closed list: failed, timeout, permanent, crashed, unreadable, unrecognised, schema, conflict, stale. */
  readonly reason: string
  /** The job id, for `deliveries show`. */
  readonly jobId: string
}

export interface Handler<Type extends EventType = EventType> extends HandlerOptions {
  /** 1 to 40 of a-z, 0-9 and `-`; unique. It names the handler's queue, so a renamed handler starts an empty one. */
  readonly name: string
  /** The event types it wants; they narrow the type of `event`. */
  readonly on: readonly Type[]
  /** Resolves when the delivery is done for this handler; anything thrown is retried. */
  handle(event: EventOf<Type>, context: HandlerContext): unknown
  /** Prepares, like migrations do; not waited for. What it throws is logged, and `handle` runs all the same. */
  start?(context: { readonly log: Logger }): unknown
  /** Called when no run is left: closes what `handle` had opened, within 5 s. */
  stop?(): unknown
  /** Told of each new dead letter of this worker, of any handler; a notice that a crash may lose. */
  onDeadLetter?(deadLetter: DeadLetter): unknown
  /** Erases what it keeps about an id of the provider, for `forget`; returns how many records went. */
  forget?(id: string): Promise<number>
}

/** Gives a handler its types; a plain object with the same keys works as well. */
export function defineHandler<const Type extends EventType>(handler: Handler<Type>): Handler<Type> {
  return handler
}
