import { PermanentError, RetryLater } from '../../handler-errors.ts'
import type { HttpAnswer, HttpClient } from '../http/post.ts'
import { retryAfterOf } from '../http/retry-after.ts'

const TIMEOUT_MS = 10_000
/** Some ask to come again at once, each time. */
const LEAST_WAIT_MS = 1000
/** Client errors that another attempt may find gone. */
const PASSING = new Set([408, 409, 425, 429])
/** The whole answer of Slack to a message it refuses is one such word. */
const SLACK_WORD = /^[a-z_]{1,60}$/

/** Where messages go. */
export interface Messenger {
  /** The setting that names the address, for error texts: the address itself may hold a secret. */
  readonly setting: 'SLACK_WEBHOOK_URL' | 'NOTIFY_URL'
  readonly url: () => string
}

/** @throws PermanentError, RetryLater or Error, by what may help */
export async function sendMessage(
  client: HttpClient,
  { setting, url }: Messenger,
  message: object,
  signal: AbortSignal,
): Promise<void> {
  const answer = await client.post(url(), {
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: Buffer.from(JSON.stringify(message)),
    timeoutMs: TIMEOUT_MS,
    signal,
  })
  judgeAnswer(setting, answer)
}

function judgeAnswer(setting: Messenger['setting'], { status, headers, text }: HttpAnswer): void {
  if (status >= 200 && status < 300) return
  const word = setting === 'SLACK_WEBHOOK_URL' && SLACK_WORD.test(text) ? ` ${text}` : ''
  const problem = `the message was answered ${status}${word}`
  if (status >= 300 && status < 500 && !PASSING.has(status)) {
    throw new PermanentError(`${problem}; check ${setting}`)
  }
  const askedMs = status === 429 || status === 503 ? retryAfterOf(headers['retry-after']) : undefined
  throw askedMs === undefined ? new Error(problem) : new RetryLater(Math.max(askedMs, LEAST_WAIT_MS), problem)
}
