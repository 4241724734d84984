import type { Job, Queue } from 'bullmq'
import type { LoadedHandler } from '../handlers/read-handler.ts'
import { wantsEvent } from '../handlers/wants-event.ts'
import { decodeDelivery } from '../inbox/delivery-reader.ts'
import { decodeMetadata } from '../inbox/envelope.ts'
import { addJob, handlerJob, INBOX_QUEUE, replayCount } from '../inbox/queues.ts'
import type { PayloadKeys } from '../inbox/payload-keys.ts'
import { idForLog, type Logger } from '../log.ts'
import { AttemptFailure } from './attempt-failure.ts'
import type { HandlerHooks } from './handler-hooks.ts'
import { LargeBodies } from './large-bodies.ts'
import { insist } from './patient-worker.ts'
import { readEvent } from './read-event.ts'
import type { RecentDeliveries } from './recent-deliveries.ts'
import type { JobRunner } from './run-job.ts'

const CONCURRENCY = 20

export interface HandlerQueue {
  readonly handler: LoadedHandler
  readonly queue: Queue
}

interface DispatchOptions {
  readonly recent: RecentDeliveries
  readonly keys: PayloadKeys
  readonly staleAfterMs: number | undefined
  readonly log: Logger
}

/** Takes deliveries from the inbox and dispatches each to the handlers that want it. */
export function createDispatchRunner(
  handlers: readonly HandlerQueue[],
  shared: Pick<JobRunner, 'limits' | 'stopped' | 'suspects' | 'running'> &
    DispatchOptions & { readonly hooks: HandlerHooks },
): JobRunner {
  const { log, staleAfterMs, keys, hooks, recent, ...rest } = shared
  const largeBodies = new LargeBodies()
  return {
    ...rest,
    queue: INBOX_QUEUE,
    concurrency: CONCURRENCY,
    rest: undefined,
    run: (job, lost) =>
      largeBodies.inTurn(bodyLength(job), () =>
        dispatch(
          job,
          handlers,
          { keys, staleAfterMs, recent, log },
          () => lost.aborted || rest.stopped.aborted,
        ),
      ),
    onEnd(job, { failure, decision }) {
      const line = { job: job.id, decision: decision.kind }
      if (failure !== undefined && decision.kind === 'dead letter') {
        hooks.tellDeadLetter({ handler: INBOX_QUEUE, reason: failure.reason, jobId: job.id ?? '' })
      }
      if (failure !== undefined) log.warn({ ...line, reason: failure.message }, 'delivery not dispatched')
      else log.debug(line, 'delivery dispatched')
    },
  }
}

/**
 * Turns one delivery into one job for each handler that wants it, and returns their names. A second run after a
 * crash is harmless: the jobs have the id of the delivery's own job, and a queue takes an id once.
 * @throws AttemptFailure when the delivery is to be a dead letter, or cannot be read yet
 */
async function dispatch(
  job: Job,
  handlers: readonly HandlerQueue[],
  { keys, staleAfterMs, recent, log }: DispatchOptions,
  isGivenUp: () => boolean,
): Promise<string[]> {
  const read = await decodeDelivery(job.name, job.data, keys)
  if (!read.ok) throw new AttemptFailure('unreadable', read.problem)
  const { metadata } = read.delivery
  const isReplayed = replayCount(job.progress) > 0
  if (metadata.hold !== undefined && !isReplayed) {
    const text = 'this outcome came before with another body; replay it to hand it on'
    throw new AttemptFailure(metadata.hold, text, { final: true })
  }
  const eventRead = readEvent(read.delivery)
  const { event, createdAt, missing } = eventRead
  if (!isReplayed && isStale(createdAt, metadata.receivedAt, staleAfterMs)) {
    const text = `the provider created it on ${createdAt}; replay it to hand it on`
    throw new AttemptFailure('stale', text, { final: true })
  }
  const wanting = handlers.filter(({ handler }) => wantsEvent(handler, event))
  if (wanting.length > 0) recent.keep(job.id ?? '', { delivery: read.delivery, read: eventRead })
  await Promise.all(
    // A Redis that refuses is no failure of the delivery, and uses up none of its attempts.
    wanting.map(({ queue }) =>
      insist(() => addJob(queue, handlerJob(job.id ?? '', metadata.bytes)), isGivenUp),
    ),
  )
  if (missing.length > 0) {
    const { source, type, id } = metadata
    log.warn({ source, event: type, id: idForLog(id), job: job.id, missing }, 'fields are missing')
  }
  return wanting.map(({ handler }) => handler.name)
}

/** Only what the signature covers counts: a body without a time of its own is never stale. */
function isStale(createdAt: string | null, receivedAt: number, staleAfterMs: number | undefined): boolean {
  if (staleAfterMs === undefined || createdAt === null) return false
  return receivedAt - Date.parse(createdAt) > staleAfterMs
}

/** 0 when the metadata cannot be read: then the body will not be, either. */
function bodyLength(job: Job): number {
  const decoded = decodeMetadata(job.name)
  return decoded.ok ? decoded.metadata.bytes : 0
}
