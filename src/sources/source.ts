import type { IncomingHttpHeaders } from 'node:http'

/** What a webhook reports, read from the few fields that name it: enough to dedupe, before any schema runs. */
export interface Identity {
  /** The provider's own id, exactly as sent (a safe integer as its decimal text). */
  readonly id: string
  /** What happened to it: part of the dedupe key, so that a later, different outcome is a delivery of its own. */
  readonly outcome: string
  /** The event type in the provider's own words. */
  readonly type: string
}

export type Authentication =
  /** `position` is the place of the secret that matched, 0 being the newest. */
  { readonly ok: true; readonly position: number } | { readonly ok: false }

export type Normalised<Event> =
  { readonly ok: true; readonly event: Event } | { readonly ok: false; readonly problem: string }

/**
 * What differs between providers. A source knows headers, bytes and JSON, and nothing of HTTP servers or queues.
 */
export interface Source<Event> {
  readonly name: string
  readonly paths: readonly string[]
  /** Every outcome that can end what an id stands for, so that tools find its deliveries by the id alone. */
  readonly terminalOutcomes: readonly string[]
  /** The text of its 401. */
  readonly unauthorizedText: string
  /** False when the headers alone show that no body could be authentic, so that the body need not be read. */
  mayBeAuthentic(headers: IncomingHttpHeaders): boolean
  /** Whether the exact bytes come from the provider. Compares in constant time. */
  authenticate(headers: IncomingHttpHeaders, rawBody: Buffer, secrets: readonly string[]): Authentication
  /** Names the delivery; total and cheap. `undefined`: not something this provider is known to send. */
  identify(json: unknown, bodySha256: string): Identity | undefined
  /** The typed event; never throws. */
  normalise(json: unknown): Normalised<Event>
}

/** Parses the raw bytes as JSON in UTF-8, with or without a byte-order mark; `undefined` when they are neither. */
export function parseJson(rawBody: Buffer): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(utf8.decode(rawBody)) as unknown }
  } catch {
    // The parser's message quotes the body, so it must not travel.
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
