import type { Job } from 'bullmq'
import type { Delivery } from '../handlers/define-handler.ts'
import type { LoadedHandler } from '../handlers/read-handler.ts'
import { wantsEvent } from '../handlers/wants-event.ts'
import { readDelivery, type StoredDelivery } from '../inbox/delivery-reader.ts'
import { bodyLengthOf, handlerQueueName, replayCount, type QueueConnection } from '../inbox/queues.ts'
import type { PayloadKeys } from '../inbox/payload-keys.ts'
import { idForLog, type Logger } from '../log.ts'
import type { WorkerMetrics } from '../metrics.ts'
import { AttemptFailure } from './attempt-failure.ts'
import { Breaker } from './breaker.ts'
import type { HandlerQueue } from './dispatch.ts'
import type { HandlerHooks } from './handler-hooks.ts'
import { LargeBodies } from './large-bodies.ts'
import { insist } from './patient-worker.ts'
import { QueueRest } from './queue-rest.ts'
import { readEvent } from './read-event.ts'
import type { RecentDeliveries } from './recent-deliveries.ts'
import { AbandonedRuns, runHandler } from './run-handler.ts'
import type { JobRunner, RunEnd } from './run-job.ts'

/** What is known of a run once its delivery was read. */
interface RunFacts {
  readonly log: Logger
  readonly receivedAt: number
}

/** Runs one handler on the jobs of its queue. */
export function createHandlerRunner(
  { handler, queue }: HandlerQueue,
  connection: QueueConnection,
  shared: Pick<JobRunner, 'stopped' | 'suspects' | 'running'> & {
    readonly metrics: WorkerMetrics
    readonly hooks: HandlerHooks
    readonly recent: RecentDeliveries
    readonly onExhausted: (handler: string) => void
  },
): JobRunner {
  const { stopped, suspects, running, metrics, hooks, recent, onExhausted } = shared
  const { keys, log } = connection
  const abandoned = new AbandonedRuns()
  const largeBodies = new LargeBodies()
  const factsOf = new WeakMap<Job, RunFacts>()
  metrics.breakerOpen.set({ handler: handler.name }, 0)
  const breaker = createBreaker(handler, metrics, log)

  async function run(job: Job, lost: AbortSignal): Promise<void> {
    const dispatched = recent.take(job.id ?? '')
    const stored = dispatched?.delivery ?? (await readStored(job, () => lost.aborted || stopped.aborted))
    const { metadata } = stored
    const { event, id } = dispatched?.read ?? readEvent(stored)
    // A replay by name may hand over what the handler does not want, and cannot read.
    if (!wantsEvent(handler, event)) return
    const attempt = job.attemptsMade + 1
    const replay = replayCount(job.progress)
    const runLog = log.child({
      handler: handler.name,
      source: metadata.source,
      event: event.type,
      id: idForLog(metadata.id),
      delivery: id,
      attempt,
      ...(replay > 0 && { replay }),
    })
    factsOf.set(job, { log: runLog, receivedAt: metadata.receivedAt })
    const delivery = describeDelivery(stored, id)
    const cancelled = AbortSignal.any([lost, stopped])
    await runHandler({ handler, event, delivery, attempt, replay, log: runLog, cancelled }, abandoned)
  }

  /** The body lies in the inbox once, and is read from there. */
  async function readStored(job: Job, isGivenUp: () => boolean): Promise<StoredDelivery> {
    const read = await insist(() => readDelivery(connection, job.id ?? ''), isGivenUp)
    if (!read.ok) throw new AttemptFailure('unreadable', read.problem)
    return read.delivery
  }

  return {
    queue: handlerQueueName(handler.name),
    concurrency: handler.concurrency,
    limits: handler,
    rest: breaker && new QueueRest(queue, breaker),
    stopped,
    suspects,
    running,
    run: (job, lost) => largeBodies.inTurn(bodyLengthOf(job.data), () => run(job, lost)),
    onEnd(job, end) {
      const facts = factsOf.get(job)
      countRun(metrics, handler.name, end, facts)
      if (end.failure !== undefined && end.decision.kind === 'dead letter') {
        hooks.tellDeadLetter({ handler: handler.name, reason: end.failure.reason, jobId: job.id ?? '' })
      }
      logRun(facts?.log ?? log.child({ handler: handler.name }), job, handler, end, keys)
      if (abandoned.count > handler.concurrency) onExhausted(handler.name)
    },
  }
}

function createBreaker(
  { name, breaker }: LoadedHandler,
  metrics: WorkerMetrics,
  log: Logger,
): Breaker | undefined {
  if (breaker === undefined) return undefined
  return new Breaker(breaker, {
    onOpen(restMs, isFirst) {
      metrics.breakerOpen.set({ handler: name }, 1)
      const line = { handler: name, failures: breaker.failures, restMs }
      if (isFirst) log.warn(line, 'the breaker has opened: the handler failed too often in a row and rests')
      else log.debug(line, 'the breaker stays open: its probe failed')
    },
    onClose() {
      metrics.breakerOpen.set({ handler: name }, 0)
      log.info({ handler: name }, 'the breaker has closed')
    },
  })
}

function countRun(metrics: WorkerMetrics, handler: string, end: RunEnd, facts: RunFacts | undefined): void {
  metrics.handlerRuns.inc({ handler, outcome: outcomeOf(end) })
  if (end.decision.kind === 'given back' || end.decision.kind === 'resting') return
  metrics.handlerSeconds.observe({ handler }, end.durationMs / 1000)
  if (end.decision.kind === 'done' && facts !== undefined) {
    metrics.handlerLagSeconds.observe({ handler }, (Date.now() - facts.receivedAt) / 1000)
  }
}

function outcomeOf({ decision, failure }: RunEnd): 'done' | 'failed' | 'timeout' | 'permanent' | 'postponed' {
  if (decision.kind === 'given back' || decision.kind === 'resting') return 'postponed'
  if (failure === undefined) return 'done'
  if (failure.delayMs !== undefined) return 'postponed'
  return failure.reason === 'timeout' || failure.reason === 'permanent' ? failure.reason : 'failed'
}

function logRun(
  log: Logger,
  job: Job,
  handler: LoadedHandler,
  { decision, durationMs, failure }: RunEnd,
  keys: PayloadKeys,
): void {
  const line = {
    job: job.id,
    maxAttempts: handler.attempts,
    durationMs: Math.round(durationMs),
    decision: decision.kind,
    ...(decision.kind === 'retry' && { retryInMs: decision.delayMs }),
  }
  // What is sealed in Redis must not stand in the log: `deliveries show` tells the rest.
  const reason = keys.isSealing ? failure?.reason : failure?.message
  if (decision.kind === 'resting') log.debug(line, 'kept waiting')
  else if (failure === undefined) log.info(line, decision.kind === 'done' ? 'handled' : 'given back')
  else if (decision.kind === 'dead letter') log.error({ ...line, reason }, 'dead letter')
  else log.warn({ ...line, reason }, 'not handled')
}

function describeDelivery({ metadata, rawBody }: StoredDelivery, id: string): Delivery {
  return {
    id,
    receivedAt: new Date(metadata.receivedAt).toISOString(),
    bytes: metadata.bytes,
    sha256: metadata.sha256,
    origin: metadata.origin,
    body: () => Buffer.from(rawBody),
  }
}
