import { z } from 'zod'

/** What fields of bodies may be, for the schemas of all sources. Absent and null mean the same. */

/** A number is taken where a name is expected, as ids often are numbers. */
export const text = z
  .union([z.string(), z.number().transform(String)])
  .nullish()
  .transform((value) => value ?? null)

export const number = z
  .number()
  .nullish()
  .transform((value) => value ?? null)

/** By reference: a copy would cost time on long transcripts and lose keys such as `__proto__`. */
export const object = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  { error: 'expected an object' },
)

/** A time in ISO 8601; `Date` alone would take many a text for one. */
export const isoText = z.string().regex(/^\d{4}-\d{2}-\d{2}T/)

/** Milliseconds, or a text that `Date` reads, as ISO 8601 in UTC. */
export function toInstant(value: number | string, context: z.RefinementCtx): string {
  const date = new Date(value)
  if (!Number.isNaN(date.getTime())) return date.toISOString()
  context.addIssue({ code: 'custom', message: 'is no point in time' })
  return z.NEVER
}

const MAX_PROBLEMS = 5

/** What is wrong, by the paths of the fields and never by their values. */
export function describeProblems(error: z.ZodError): string {
  const problems = error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  return problems.slice(0, MAX_PROBLEMS).join('; ')
}
