import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { UnavailableError } from '../errors.ts'
import { idForLog } from '../log.ts'
import type { AcceptOutcome } from '../inbox/inbox.ts'
import type { ReceiverMetrics } from '../metrics.ts'
import type { LineSampler } from './line-sampler.ts'

/** How a request for a webhook ended. Closed list: a log field and a metric label. */
export type RequestOutcome =
  AcceptOutcome | 'unauthorized' | 'too_large' | 'unsupported' | 'unavailable' | 'timeout' | 'aborted'

/** What is known of a request that has proven authentic; before that, nothing of it may reach a log. */
export interface AuthenticFacts {
  readonly outcome: AcceptOutcome
  readonly id: string | null
  readonly event: string | null
}

const timedOut = new WeakSet<Socket>()

export function markTimedOut(socket: Socket): void {
  timedOut.add(socket)
}

const OUTCOME_OF_STATUS: Record<number, RequestOutcome> = {
  400: 'aborted',
  401: 'unauthorized',
  413: 'too_large',
  415: 'unsupported',
  503: 'unavailable',
}

export interface Observers {
  readonly metrics: ReceiverMetrics
  /** For the lines of what was not stored: anybody can cause those. */
  readonly sampler: LineSampler
}

/** Counts the request and writes one log line when it is over, however it ended: answered, timed out or abandoned. */
export function observeRequest(
  request: FastifyRequest,
  reply: FastifyReply,
  source: string,
  { metrics, sampler }: Observers,
): void {
  const startedAt = performance.now()
  const conclude = (durationMs: number) => {
    const outcome = outcomeOf(request, reply)
    const { facts, failure } = request
    metrics.requests.inc({ source, outcome })
    metrics.answerSeconds.observe({ source, outcome }, durationMs / 1000)
    const line = {
      source,
      outcome,
      status: reply.raw.writableFinished ? reply.statusCode : null,
      durationMs: Math.round(durationMs * 100) / 100,
      ...(facts && { id: idForLog(facts.id), event: facts.event, bytes: (request.body as Buffer).length }),
      ...(failure && { reason: failure.reason }),
    }
    if (facts !== undefined) request.log.info(line, 'webhook stored')
    else if (!sampler.admits(outcome)) return
    else if (outcome === 'unavailable') request.log.error(line, 'webhook not stored')
    else request.log.warn({ ...line, ip: request.ip }, 'webhook refused')
  }
  reply.raw.once('close', () => {
    const durationMs = performance.now() - startedAt
    // A sender that hangs up does not undo what is being stored.
    if (reply.raw.writableFinished || request.accepting === undefined) conclude(durationMs)
    else void request.accepting.catch(() => {}).then(() => conclude(durationMs))
  })
}

function outcomeOf(request: FastifyRequest, reply: FastifyReply): RequestOutcome {
  if (request.facts !== undefined) return request.facts.outcome
  if (timedOut.has(request.raw.socket)) return 'timeout'
  if (!reply.raw.writableFinished) return 'aborted'
  return OUTCOME_OF_STATUS[reply.statusCode] ?? 'unavailable'
}

/** Keeps the reason of a 503 for the log line; the sender is not told. */
export function noteFailure(request: FastifyRequest, error: unknown): void {
  if (error instanceof UnavailableError) request.failure = error
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What becomes of a request that has proven authentic. */
    accepting: Promise<AcceptOutcome> | undefined
    facts: AuthenticFacts | undefined
    failure: UnavailableError | undefined
  }
}
