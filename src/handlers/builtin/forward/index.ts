import type { ForwardTarget } from '../../../forward-urls.ts'
import { sourceOf, type WebhookEvent } from '../../../sources/sources.ts'
import { defineHandler, type Handler, type HandlerContext } from '../../define-handler.ts'
import { RefusedAddressError } from '../http/guarded-lookup.ts'
import { HttpClient, type HttpAnswer } from '../http/post.ts'
import { judgeAnswer } from './judge-answer.ts'
import { signatureHeaders } from './sign.ts'

const MAX_SOCKETS = 50
/** Beyond the time of the request, so that its end is what is reported. */
const TIMEOUT_MARGIN_MS = 5000

export interface ForwardOptions {
  readonly targets: readonly ForwardTarget[]
  /** Standard Webhooks secrets, newest first; asked for with each event, so that they may rotate. */
  readonly secrets: () => readonly string[]
  readonly timeoutMs: number
  /** Names of hosts, addresses and networks that may be private. */
  readonly allowPrivate: readonly string[]
}

/** Passes the body of each event on to other services as it came, signed; each target is a handler of its own. */
export function createForwardHandlers({ targets, ...options }: ForwardOptions): Handler[] {
  return targets.map((target) => createForwardHandler(target, options))
}

function createForwardHandler(
  { name, url, on }: ForwardTarget,
  { secrets, timeoutMs, allowPrivate }: Omit<ForwardOptions, 'targets'>,
): Handler {
  const client = new HttpClient({ maxSockets: MAX_SOCKETS, allowPrivate })
  const { hostname } = new URL(url)
  return defineHandler({
    name: `forward-${name}`,
    on,
    timeout: `${timeoutMs + TIMEOUT_MARGIN_MS}ms`,
    breaker: { failures: 5, openFor: '30s' },
    async handle(event, context) {
      const body = context.delivery.body()
      const headers = headersOf(event, context, body, secrets())
      const answer = await post(client, url, { headers, body, timeoutMs, signal: context.signal })
      const retryAfter = answer.headers['retry-after']
      judgeAnswer({ host: hostname, status: answer.status, retryAfter }, context.attempt)
    },
    stop() {
      client.close()
    },
  })
}

/** Made anew: nothing of the provider's request travels on but the body. */
function headersOf(
  event: WebhookEvent,
  { delivery, replay }: HandlerContext,
  body: Buffer,
  secrets: readonly string[],
): Record<string, string> {
  // A replay is a wish to have it done once more, which the far side's memory of the key would prevent.
  const key = replay === 0 ? delivery.id : `${delivery.id}-r${replay}`
  return {
    'content-type': sourceOf(event).contentType,
    'user-agent': 'callcov-webhook-receiver',
    'idempotency-key': key,
    'x-webhook-event': event.type,
    'x-webhook-source': event.source,
    ...signatureHeaders({ id: key, timestampSeconds: Math.floor(Date.now() / 1000), body }, secrets),
  }
}

async function post(client: HttpClient, ...request: Parameters<HttpClient['post']>): Promise<HttpAnswer> {
  try {
    return await client.post(...request)
  } catch (error) {
    if (!(error instanceof RefusedAddressError)) throw error
    throw new Error(`${error.message}, which FORWARD_ALLOW_PRIVATE does not name`, { cause: error })
  }
}
