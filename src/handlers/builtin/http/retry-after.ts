/** Nobody makes the service wait longer than that. */
const MAX_WAIT_MS = 300_000
/** The one form of a date that HTTP lets servers send. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

/** How long a `Retry-After` asks to wait, at most 5 min; `undefined` when it says nothing that can be understood. */
export function retryAfterOf(header: string | undefined, nowMs = Date.now()): number | undefined {
  const text = header?.trim() ?? ''
  const waitMs = /^\d+$/.test(text)
    ? Number(text) * 1000
    : HTTP_DATE.test(text)
      ? Date.parse(text) - nowMs
      : Number.NaN
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), MAX_WAIT_MS)
}
