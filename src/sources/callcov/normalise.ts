import { z } from 'zod'
import { describeProblems, isoText, number, object, text, toInstant } from '../fields.ts'
import type { Normalised } from '../source.ts'
import type { AnalysisEvent } from './events.ts'
import { identifyCallcov } from './identify.ts'

/** Unix seconds as the guide shows, or ISO 8601. */
const instant = z.union([z.number().transform((seconds) => seconds * 1000), isoText]).transform(toInstant)

const segment = z.object({
  speaker: text,
  text: text.transform((value) => value ?? ''),
  start: number,
  end: number,
})

const analysis = z.object({
  created: instant.nullish(),
  livemode: z.boolean().nullish(),
  call: z.object({ agent_id: text, contact_id: text }).nullish(),
  audio: z.object({ url: text, duration_seconds: number, format: text }).nullish(),
  transcript: z.object({ text, language: text, segments: z.array(segment).nullish() }).nullish(),
  results: object.nullish(),
  result: object.nullish(),
  error_message: text,
  error: z.union([z.string(), object]).nullish(),
  metadata: object.nullish(),
})
type Analysis = z.output<typeof analysis>

/**
 * Turns both shapes into one typed event. Missing fields become null and unknown ones are kept in `raw`; a known
 * field of another type is a problem, named by its path and never by its value.
 */
export function normaliseCallcov(json: unknown): Normalised<AnalysisEvent> {
  const identity = identifyCallcov(json)
  if (identity === undefined) return { ok: false, problem: 'no analysis id, or no known event or status' }
  const raw = json as Record<string, unknown>
  const parsed = analysis.safeParse(withWholeAnalysis(raw))
  if (!parsed.success) return { ok: false, problem: describeProblems(parsed.error) }
  const fields = parsed.data
  const base = {
    source: 'callcov' as const,
    analysisId: identity.id,
    createdAt: fields.created ?? null,
    livemode: fields.livemode ?? null,
    call: { agentId: fields.call?.agent_id ?? null, contactId: fields.call?.contact_id ?? null },
    audio: {
      url: fields.audio?.url ?? null,
      durationSeconds: fields.audio?.duration_seconds ?? null,
      format: fields.audio?.format ?? null,
    },
    transcript: {
      text: fields.transcript?.text ?? null,
      language: fields.transcript?.language ?? null,
      segments: fields.transcript?.segments ?? [],
    },
    raw,
  }
  const { createdAt } = base
  if (identity.outcome === 'failed') {
    const event = { ...base, type: 'analysis.failed', status: 'failed', error: failure(fields) } as const
    return { ok: true, event, createdAt, missing: [] }
  }
  const results = fields.results ?? fields.result ?? undefined
  const partial = results === undefined
  const completed = { ...base, type: 'analysis.completed', status: 'completed' } as const
  const event = { ...completed, results: results ?? {}, partial }
  return { ok: true, event, createdAt, missing: partial ? ['results'] : [] }
}

/** `result` of the event shape is either the results alone or the whole analysis object around them. */
function withWholeAnalysis(raw: Record<string, unknown>): Record<string, unknown> {
  const { result } = raw
  const isWhole = typeof result === 'object' && result !== null && 'results' in result
  return isWhole ? { ...result, ...raw, result: undefined } : raw
}

/** The documents put the text of a failure in three places, and none promises that there is one. */
function failure({ error_message: message, error, metadata }: Analysis) {
  const described = typeof error === 'string' ? { message: error } : (error ?? {})
  const texts = [message, described.message, metadata?.error_message]
  return {
    message: (texts.find((value) => typeof value === 'string' && value !== '') as string) ?? 'unknown error',
    code: 'code' in described && typeof described.code === 'string' ? described.code : null,
    details: 'details' in described ? described.details : null,
  }
}
