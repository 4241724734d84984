import { isUnreachable, type Outcome } from './post-webhooks.ts'

export interface SendRun {
  readonly url: string
  /** What was sent when it was one webhook only. */
  readonly single: SingleWebhook | undefined
  readonly expectedStatus: number
  /** The path that the provider posts to. */
  readonly path: string
  /** Where the secret came from, for the case that it was the wrong one. */
  readonly secretOrigin: string
  readonly outcomes: readonly Outcome[]
  readonly seconds: number
}

export interface SingleWebhook {
  readonly id?: string
  readonly file?: string
}

export type SendSummary = ReturnType<typeof summarise>

/** The summary as `--json` writes it. */
export function summarise({ url, single, expectedStatus, outcomes, seconds }: SendRun) {
  const answers = outcomes.filter((outcome) => outcome.kind === 'answer')
  const unanswered = outcomes.filter((outcome) => outcome.kind === 'no answer')
  return {
    ok: outcomes.every((outcome) => outcome.kind === 'answer' && outcome.status === expectedStatus),
    url,
    ...single,
    sent: outcomes.length,
    seconds: Math.round(seconds * 1000) / 1000,
    answers: tally(answers.map(({ status }) => String(status))),
    unanswered: tally(unanswered.map(({ reason }) => reason)),
    ms: spread(answers.map(({ ms }) => ms)),
    replies: single && answers.map(({ status, body, ms }) => ({ status, body, ms: toTenths(ms) })),
  }
}

/** The summary for a person: the answer itself after one webhook, figures after many. */
export function describeSummary(summary: SendSummary): string {
  const { url, id, file, sent, seconds, answers, unanswered, ms, replies } = summary
  const rows: [string, string][] = []
  if (replies === undefined) {
    rows.push(['sent', `${sent} to ${url} in ${seconds.toFixed(1)} s (${Math.round(sent / seconds)}/s)`])
    rows.push(['answers', list(answers) || 'none'])
    if (ms !== null) rows.push(['ms', list(ms)])
  } else {
    rows.push(['sent', `${id ?? file} to ${url}`])
    for (const reply of replies) {
      // Whatever is at the address wrote the body, so no control character of it reaches the terminal.
      const body = reply.body.replace(/\p{C}+/gu, ' ')
      rows.push(['answer', `${reply.status} ${body} in ${reply.ms} ms`])
    }
  }
  if (Object.keys(unanswered).length > 0) rows.push(['no answer', list(unanswered)])
  return rows.map(([label, text]) => `${label.padEnd(9)}  ${text}\n`).join('')
}

/** What probably is wrong and what to do, one sentence or two for each kind of unexpected answer. */
export function explainFailures(run: SendRun): string[] {
  const { url, path, expectedStatus, secretOrigin, outcomes } = run
  if (isUnreachable(outcomes)) {
    const reasons = Object.keys(summarise(run).unanswered).join(', ')
    return [`Nothing answers at ${url} (${reasons}). Start the service with "npm start", or see --url.`]
  }
  const statuses = new Set(outcomes.map((outcome) => outcome.kind === 'answer' && outcome.status))
  const texts: string[] = []
  if (statuses.has(401) && expectedStatus !== 401) {
    texts.push(
      `401: the secret of the service differs from the one used here (${secretOrigin}); give that of the service with --secret.`,
    )
  }
  if (statuses.has(404)) {
    texts.push(
      `404: the path of --url is probably wrong; it ends in ${path}, where the service has a secret for it.`,
    )
  }
  if (statuses.has(503)) texts.push('503: the service could not store it; its /health/ready says why.')
  if (statuses.has(200) && expectedStatus !== 200) {
    texts.push('200: a wrong signature was accepted; is it this service that answers?')
  }
  return texts
}

function tally(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1
  return counts
}

/** Percentiles by nearest rank; null when there is nothing to rank. */
function spread(values: readonly number[]) {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => {
    const value = sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? 0
    return toTenths(value)
  }
  return { min: at(0), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

function list(figures: Record<string, number>): string {
  return Object.entries(figures)
    .map(([name, figure]) => `${name}: ${figure}`)
    .join(', ')
}

function toTenths(value: number): number {
  return Math.round(value * 10) / 10
}
