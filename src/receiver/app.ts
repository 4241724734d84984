import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import Fastify, {
  LogController,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { BodyTooLargeError, MethodNotAllowedError, NotFoundError } from '../errors.ts'
import type { Inbox } from '../inbox/inbox.ts'
import type { Readiness } from '../inbox/readiness.ts'
import type { Logger } from '../log.ts'
import type { ReceiverMetrics } from '../metrics.ts'
import type { Source, SourceEvent } from '../sources/source.ts'
import { healthRoutes } from '../health-routes.ts'
import { LineSampler } from './line-sampler.ts'
import { markTimedOut } from './observe.ts'
import { ReadingBudget } from './reading-budget.ts'
import { webhookRoutes } from './webhook-routes.ts'

/**
 * Node looks for slow senders once per check interval, 30 s by default, and Fastify switches the request limit
 * off. Measured with all three: headers are cut off after 5.2 s and bodies after 10.1 s.
 */
const TIME_LIMITS = {
  requestTimeout: 10_000,
  /** Ends a connection that stays silent, a client that does not read its answer for one. */
  connectionTimeout: 30_000,
  http: {
    headersTimeout: 5000,
    connectionsCheckingInterval: 1000,
    // Of two Authorization headers Node would drop the second one without a word.
    joinDuplicateHeaders: true,
  },
}

/** Each open connection takes some 20 KB; the private listener has room of its own. */
const MAX_CONNECTIONS = 4096
const MAX_REQUESTS_PER_SOCKET = 10_000

/** A source and its secrets in force, newest first. */
export interface ServedSource {
  readonly source: Source<SourceEvent>
  readonly secrets: { readonly current: readonly string[] }
}

export interface ReceiverOptions {
  readonly inbox: Inbox
  readonly readiness: Readiness
  readonly sources: readonly ServedSource[]
  readonly bodyLimitBytes: number
  readonly answerWithinMs: number
  readonly trustProxy?: number | string[] | undefined
  readonly metrics: ReceiverMetrics
  readonly log: Logger
}

/** The public listener: webhooks and health, everything else refused. It never listens or stops by itself. */
export function buildReceiver(options: ReceiverOptions): FastifyInstance {
  const app = Fastify({
    ...TIME_LIMITS,
    loggerInstance: options.log,
    // One line per outcome is written in observe.ts instead.
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    return503OnClosing: false,
    bodyLimit: options.bodyLimitBytes,
    trustProxy: trustProxyOf(options.trustProxy),
    genReqId: () => randomUUID(),
    // Malformed percent-encoding in the path.
    frameworkErrors: (_error, request, reply) => {
      answerError(new NotFoundError(), request, reply)
    },
    clientErrorHandler: answerBrokenRequest,
    maxRequestsPerSocket: MAX_REQUESTS_PER_SOCKET,
  }) as unknown as FastifyInstance
  app.server.maxConnections = MAX_CONNECTIONS

  const methods = new Map<string, string>()
  app.addHook('onRoute', ({ url, method }) => void methods.set(url, String(method)))
  // Before any body is read, which for unknown paths would end in the framework's own complaints about it.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) {
      done()
      return
    }
    const allowed = methods.get(request.url.split('?', 1)[0] ?? '')
    if (allowed === undefined) throw new NotFoundError()
    reply.header('allow', allowed)
    throw new MethodNotAllowedError()
  })
  app.setErrorHandler(answerError)

  app.register(healthRoutes, { readiness: options.readiness })
  const shared = {
    ...options,
    budget: new ReadingBudget(),
    sampler: new LineSampler((leftOut) =>
      options.log.warn({ leftOut }, 'more lines like these were left out'),
    ),
  }
  for (const served of options.sources) app.register(webhookRoutes, { ...shared, ...served })
  return app
}

/** 4xx tell their fixed text, anything unexpected a text that tells nothing. */
function answerError(caught: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  const error = caught.code === 'FST_ERR_CTP_BODY_TOO_LARGE' ? new BodyTooLargeError() : caught
  const status = error.statusCode ?? 500
  if (status === 413) reply.header('connection', 'close')
  if (status === 503) reply.header('retry-after', '60')
  if (error.code?.startsWith('CALLCOV_')) return reply.status(status).send({ error: error.message })
  if (status < 500) return reply.status(400).send({ error: 'Bad request' })
  request.log.error({ err: error }, 'unexpected error')
  return reply.status(500).send({ error: 'Internal error' })
}

function trustProxyOf(setting: ReceiverOptions['trustProxy']) {
  return typeof setting === 'number' ? (_address: string, hop: number) => hop < setting : (setting ?? false)
}

const BROKEN_REQUEST_ANSWERS: Record<string, [status: string, error: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'Request timeout'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Request header fields too large'],
}

/** For what Node refuses before there is a request to answer, or while its body is still awaited. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') markTimedOut(socket)
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, text] = BROKEN_REQUEST_ANSWERS[error.code ?? ''] ?? ['400 Bad Request', 'Bad request']
  const body = JSON.stringify({ error: text })
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8`
  socket.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  // The peer may not close its side, nor read.
  socket.destroySoon()
}
