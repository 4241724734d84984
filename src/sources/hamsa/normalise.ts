import { z } from 'zod'
import { describeProblems, isoText, object, text, toInstant } from '../fields.ts'
import type { Normalised } from '../source.ts'
import type { CallEvent } from './events.ts'
import { nameCall } from './identify.ts'

const instant = isoText.transform(toInstant).nullish()

const envelope = z.object({
  timestamp: instant,
  projectId: text,
  agentId: text,
  agentName: text,
  // Only for the case that the one above is missing.
  data: z.object({ timestamp: instant.catch(null), data: object.nullish() }).nullish(),
})

/** Each item of a transcription holds who spoke as its key, and what was said as the value. */
const turns = object.transform((item, context) =>
  Object.entries(item).map(([speaker, said]) => {
    const words = text.safeParse(said)
    if (!words.success) context.addIssue({ code: 'custom', message: 'expected a text' })
    return { speaker, text: words.data ?? '' }
  }),
)

const ending = z.object({
  conversationId: text,
  conversationRecording: text,
  transcription: z.array(turns).nullish(),
  outcomeResult: object.nullish(),
})

/**
 * Turns the envelope into one typed event. Missing fields become null and unknown ones are kept in `raw`; a known
 * field of another type is a problem, named by its path and never by its value.
 */
export function normaliseHamsa(json: unknown): Normalised<CallEvent> {
  const named = nameCall(json)
  if (named === undefined) return { ok: false, problem: 'no call id, or no known event type' }
  const raw = json as Record<string, unknown>
  const outer = envelope.safeParse(raw)
  if (!outer.success) return { ok: false, problem: describeProblems(outer.error) }
  const { timestamp, projectId, agentId, agentName } = outer.data
  const data = unwrapped(raw.data)
  const base = {
    source: 'hamsa' as const,
    callId: named.callId,
    timestamp: timestamp ?? outer.data.data?.timestamp ?? null,
    projectId,
    agentId,
    agentName,
    data,
    raw,
  }
  const missing = namesOfMissing({ timestamp: base.timestamp, data })
  const createdAt = base.timestamp
  if (named.type !== 'call.ended') {
    return { ok: true, event: { ...base, type: named.type }, createdAt, missing }
  }
  const inner = ending.safeParse(data ?? {})
  if (!inner.success) return { ok: false, problem: describeProblems(inner.error) }
  const { conversationId, conversationRecording, transcription, outcomeResult } = inner.data
  const event = {
    ...base,
    type: named.type,
    conversationId,
    recordingUrl: conversationRecording,
    transcript: transcription?.flat() ?? null,
    outcome: outcomeResult ?? null,
  }
  missing.push(...namesOfMissing({ conversationId, transcription, outcomeResult }))
  return { ok: true, event, createdAt, missing }
}

/** The content stands in `data.data`; in `data` itself where that is missing, as partial bodies come too. */
function unwrapped(data: unknown): Record<string, unknown> | null {
  const outer = (data ?? null) as Record<string, unknown> | null
  return outer !== null && 'data' in outer ? (outer.data as Record<string, unknown> | null) : outer
}

function namesOfMissing(fields: Record<string, unknown>): string[] {
  return Object.keys(fields).filter((name) => (fields[name] ?? null) === null)
}
