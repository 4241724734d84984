import type { IncomingHttpHeaders } from 'node:http'
import type { ProblemOf } from '../secrets.ts'

/** What every event has, whoever sent it. */
export interface SourceEvent {
  /** In the provider's own words, and different from those of every other source. */
  readonly type: string
  /** The name of the source. */
  readonly source: string
  /** The parsed body as received. */
  readonly raw: unknown
}

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
  | {
      readonly ok: true
      readonly event: Event
      /** When the provider says that it came to be, ISO 8601, for `STALE_AFTER`; `null` when it does not say. */
      readonly createdAt: string | null
      /** Names of fields that handlers look for and the body lacks; logged once for each delivery. */
      readonly missing: readonly string[]
    }
  | { readonly ok: false; readonly problem: string }

/** A parsed body; `undefined` when the bytes are not what the provider sends. */
export type ParsedBody = { readonly value: unknown } | undefined

/** What of an event may stand in a log. */
export type LogFacts = Readonly<Record<string, string | number | boolean | null>>

/** The setting that turns a source on: one or more secrets, newest first, or in `<setting>_FILE` a file of them. */
export interface SourceSecret {
  /** Its name in the environment; what stands before the first `_` is taken for the provider's own prefix. */
  readonly setting: string
  /** Where an operator finds it, behind "from". */
  readonly origin: string
  readonly problemOf: ProblemOf
  /** Whether a service outside production that has none makes one; a source without a secret is not served. */
  readonly isMadeInDevelopment: boolean
}

/**
 * What differs between providers. A source knows headers and bytes, and nothing of HTTP servers or queues. In its
 * headers, values of a repeated one are joined by a comma and a blank, whichever it is.
 */
export interface Source<Event extends SourceEvent> {
  /** Stands in the dedupe keys of all it ever sent, so it never changes. */
  readonly name: string
  readonly paths: readonly string[]
  readonly eventTypes: readonly Event['type'][]
  /** What its bodies are, for those they are passed on to. */
  readonly contentType: string
  readonly secret: SourceSecret
  /** The text of its 401. */
  readonly unauthorizedText: string
  /** False when the headers alone show that no body could be authentic, so that the body need not be read. */
  mayBeAuthentic(headers: IncomingHttpHeaders, secrets: readonly string[]): boolean
  /** Whether the exact bytes come from the provider. Compares in constant time. */
  authenticate(headers: IncomingHttpHeaders, rawBody: Buffer, secrets: readonly string[]): Authentication
  /** Reads authentic bytes; never throws. */
  parse(rawBody: Buffer): ParsedBody
  /** Names the delivery; total and cheap. `undefined`: not something this provider is known to send. */
  identify(body: unknown, bodySha256: string): Identity | undefined
  /** The typed event; never throws. A problem names fields, and never what stands in them. */
  normalise(body: unknown): Normalised<Event>
  /** Ids and plain values: what people said, and about whom, is none of them. */
  logFacts(event: Event): LogFacts
}

/** Parses the raw bytes as JSON in UTF-8, with or without a byte-order mark; `undefined` when they are neither. */
export function parseJson(rawBody: Buffer): ParsedBody {
  try {
    return { value: JSON.parse(utf8.decode(rawBody)) as unknown }
  } catch {
    // The parser's message quotes the body, so it must not travel.
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
