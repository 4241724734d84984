import type { FastifyInstance } from 'fastify'
import { BodyTooLargeError, ContentEncodingError, UnauthorizedError } from '../errors.ts'
import { sha256Hex } from '../inbox/delivery-id.ts'
import type { Inbox } from '../inbox/inbox.ts'
import type { Source, SourceEvent } from '../sources/source.ts'
import { noteFailure, observeRequest, type Observers } from './observe.ts'
import type { ReadingBudget } from './reading-budget.ts'

const RECEIVED = JSON.stringify({ received: true })

export interface WebhookRoutesOptions extends Observers {
  readonly source: Source<SourceEvent>
  readonly secrets: { readonly current: readonly string[] }
  readonly inbox: Inbox
  readonly bodyLimitBytes: number
  readonly answerWithinMs: number
  readonly budget: ReadingBudget
}

/**
 * The paths of one source. Checks come in the order of their cost: what the headers show first, then the
 * signature over the raw bytes, and only then does anything look at what they say.
 */
export async function webhookRoutes(app: FastifyInstance, options: WebhookRoutesOptions): Promise<void> {
  const { source, secrets, inbox, bodyLimitBytes, answerWithinMs, metrics, budget } = options
  // Nobody may send again what was not stored, so that the first one is to raise an alert: from 0, not from nothing.
  metrics.requests.inc({ source: source.name, outcome: 'unavailable' }, 0)
  app.decorateRequest('accepting', undefined)
  app.decorateRequest('facts', undefined)
  app.decorateRequest('failure', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request: unknown, body: Buffer, done) =>
    done(null, body),
  )

  // Hooks with a callback: promises of theirs took 3 % of the time of accepting.
  app.addHook('onRequest', (request, reply, done) => {
    observeRequest(request, reply, source.name, options)
    const { headers } = request
    if ((headers['content-encoding'] ?? 'identity').trim().toLowerCase() !== 'identity') {
      throw new ContentEncodingError()
    }
    if (Number(headers['content-length'] ?? 0) > bodyLimitBytes) throw new BodyTooLargeError()
    if (!source.mayBeAuthentic(headers, secrets.current)) throw new UnauthorizedError(source.unauthorizedText)
    // The provider promises no content type, and Fastify refuses malformed ones before any parser runs.
    headers['content-type'] = 'application/octet-stream'
    done()
  })

  app.addHook('preParsing', (request, reply, payload, done) => {
    const declared = request.headers['content-length']
    const { body, release } = budget.admit(payload, declared === undefined ? undefined : Number(declared))
    reply.raw.once('close', release)
    done(null, body)
  })
  app.addHook('onError', async (request, _reply, error) => noteFailure(request, error))

  for (const path of source.paths) {
    app.post(path, async (request, reply) => {
      const readAt = performance.now()
      const rawBody = (request.body as Buffer | undefined) ?? Buffer.alloc(0)
      const authentication = source.authenticate(request.headers, rawBody, secrets.current)
      if (!authentication.ok) throw new UnauthorizedError(source.unauthorizedText)
      metrics.secretMatched.inc({ source: source.name, position: authentication.position })
      metrics.bodyBytes.observe({ source: source.name }, rawBody.length)
      metrics.lastWebhook.set({ source: source.name }, Date.now() / 1000)

      const bodySha256 = sha256Hex(rawBody)
      const body = source.parse(rawBody)
      const identity = body && source.identify(body.value, bodySha256)
      const webhook = { requestId: request.id, source: source.name, identity, rawBody, bodySha256 }
      request.accepting = inbox.accept(webhook, answerWithinMs - (performance.now() - readAt))
      const outcome = await request.accepting
      request.facts = { outcome, id: identity?.id ?? null, event: identity?.type ?? null }
      reply.type('application/json; charset=utf-8')
      return RECEIVED
    })
  }
}
