import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '../errors.ts'

/** CallCov waits as long; Hamsa 5 s. */
const TIMEOUT_MS = 30_000
const MAX_BODY_CHARACTERS = 500
/** Nobody is at that address, so there is no sense in trying on. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

export interface SignedWebhook {
  readonly body: Buffer
  /** What proves where it comes from. */
  readonly headers: Readonly<Record<string, string>>
}

/** What came of one request. */
export type Outcome =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string; readonly ms: number }
  | { readonly kind: 'no answer'; readonly reason: string; readonly unreachable: boolean }

export interface PostOptions {
  readonly url: URL
  readonly webhooks: Iterable<SignedWebhook>
  /** How many requests may be open at once. */
  readonly concurrency: number
  /** Requests start on this schedule however slow the answers are; without it, as fast as they come. */
  readonly ratePerSecond?: number | undefined
  readonly onOutcome: () => void
}

/** Posts all webhooks and resolves with what came of each; ends early when nobody is at the address. */
export async function postWebhooks(options: PostOptions): Promise<Outcome[]> {
  const { url, webhooks, concurrency, ratePerSecond, onOutcome } = options
  const outcomes: Outcome[] = []
  const open = new Set<Promise<void>>()
  const startedAt = performance.now()
  let started = 0
  for (const webhook of webhooks) {
    if (ratePerSecond !== undefined) await sleepUntil(startedAt + (started * 1000) / ratePerSecond)
    if (open.size >= concurrency) await Promise.race(open)
    if (isUnreachable(outcomes)) break
    const request = post(url, webhook).then((outcome) => {
      open.delete(request)
      outcomes.push(outcome)
      onOutcome()
    })
    open.add(request)
    started += 1
  }
  await Promise.all(open)
  return outcomes
}

/** True when there was no answer yet and not even anybody to give one. */
export function isUnreachable([first]: readonly Outcome[]): boolean {
  return first?.kind === 'no answer' && first.unreachable
}

async function post(url: URL, { body, headers }: SignedWebhook): Promise<Outcome> {
  const startedAt = performance.now()
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: new Uint8Array(body),
      // Following one would turn the POST into a GET.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const text = await response.text()
    const ms = performance.now() - startedAt
    return { kind: 'answer', status: response.status, body: text.slice(0, MAX_BODY_CHARACTERS), ms }
  } catch (error) {
    const reason = reasonOf(error)
    return { kind: 'no answer', reason, unreachable: UNREACHABLE.has(reason) }
  }
}

/** `fetch` hides what happened behind "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  if (error.name === 'TimeoutError') return `none within ${TIMEOUT_MS / 1000} s`
  const cause = error.cause instanceof Error ? error.cause : error
  return errorCode(cause) ?? cause.message
}

async function sleepUntil(dueAt: number): Promise<void> {
  const waitMs = dueAt - performance.now()
  if (waitMs > 0) await sleep(waitMs)
}
