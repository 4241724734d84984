import { setTimeout as sleep } from 'node:timers/promises'
import type { Job, Worker } from 'bullmq'
import type { Config } from '../config.ts'
import type { Delivery } from '../handlers/define-handler.ts'
import type { LoadedHandler } from '../handlers/loader.ts'
import { readDelivery, type StoredDelivery } from '../inbox/delivery-reader.ts'
import { handlerQueueName, INBOX_QUEUE, openQueue, type QueueConnection } from '../inbox/queues.ts'
import { connectForWorking } from '../inbox/redis-connection.ts'
import type { Logger } from '../log.ts'
import { AttemptFailure } from './attempt-failure.ts'
import { dispatch } from './dispatch.ts'
import { readEvent } from './read-event.ts'
import { AbandonedRuns, runHandler } from './run-handler.ts'
import { startJobWorker, type Decision, type JobRunner } from './run-job.ts'
import { SuspectGate } from './suspects.ts'

const DISPATCH_CONCURRENCY = 20
/** After the grace of the stop: time for aborted handlers to end and for their jobs to be given back. */
const GIVE_BACK_WITHIN_MS = 2000

export interface WorkerOptions {
  readonly config: Pick<Config, 'redisPrefix' | 'handlerDefaults'> & { readonly redisUrl: string }
  readonly handlers: readonly LoadedHandler[]
  readonly log: Logger
  /** Called once when runs that ignore their abort have filled a handler's places, so that only a new process helps. */
  readonly onExhausted: (handler: string) => void
}

export interface RunningWorker {
  /** Lets running handlers finish for `graceMs`, then gives back what is left; resolves when nothing runs. */
  stop(graceMs: number): Promise<void>
}

/** Takes deliveries from the inbox and runs the handlers, until stopped. */
export function startWorker({ config, handlers, log, onExhausted }: WorkerOptions): RunningWorker {
  const redis = connectForWorking(config.redisUrl, log)
  const connection: QueueConnection = { redis, prefix: config.redisPrefix, log }
  const stopped = new AbortController()
  const suspects = new SuspectGate()
  const handlerQueues = handlers.map((handler) => ({
    handler,
    queue: openQueue(handlerQueueName(handler.name), connection),
  }))

  const runners: JobRunner[] = [
    {
      queue: INBOX_QUEUE,
      concurrency: DISPATCH_CONCURRENCY,
      limits: config.handlerDefaults,
      stopped: stopped.signal,
      suspects,
      run: (job) => dispatch(job, handlerQueues),
      onAttempt: (job, failure, decision) => {
        if (failure === undefined) return
        log.warn(
          { job: job.id, reason: failure.message, ...decisionFields(decision) },
          'delivery not dispatched',
        )
      },
    },
    ...handlers.map((handler) =>
      handlerRunner(handler, { connection, stopped: stopped.signal, suspects, onExhausted }),
    ),
  ]
  const workers = runners.map((runner) => startJobWorker(runner, connection))

  return {
    async stop(graceMs) {
      const closed = Promise.all(workers.map((worker: Worker) => worker.close()))
      const grace = new AbortController()
      const finished = await Promise.race([
        closed.then(() => true),
        sleep(graceMs, false, { signal: grace.signal, ref: false }),
      ])
      grace.abort()
      if (!finished) {
        stopped.abort(new Error('the service stops'))
        // Closing never ends while Redis cannot be reached.
        await Promise.race([closed, sleep(GIVE_BACK_WITHIN_MS)])
      }
      redis.disconnect()
    },
  }
}

function handlerRunner(
  handler: LoadedHandler,
  shared: {
    readonly connection: QueueConnection
    readonly stopped: AbortSignal
    readonly suspects: SuspectGate
    readonly onExhausted: (handler: string) => void
  },
): JobRunner {
  const { connection, stopped, suspects, onExhausted } = shared
  const { redis, prefix, log } = connection
  const abandoned = new AbandonedRuns()
  const runs = new WeakMap<Job, { readonly startedAt: number; log: Logger }>()
  return {
    queue: handlerQueueName(handler.name),
    concurrency: handler.concurrency,
    limits: handler,
    stopped,
    suspects,
    async run(job, lost) {
      const run = { startedAt: performance.now(), log }
      runs.set(job, run)
      const read = await readDelivery(redis, prefix, job.id ?? '')
      if (!read.ok) throw new AttemptFailure('unreadable', read.problem)
      const { event, id } = readEvent(read.delivery)
      const attempt = job.attemptsMade + 1
      run.log = log.child({ handler: handler.name, delivery: id, attempt })
      const delivery = describeDelivery(read.delivery, id)
      const cancelled = AbortSignal.any([lost, stopped])
      await runHandler({ handler, event, delivery, attempt, replay: 0, log: run.log, cancelled }, abandoned)
    },
    onAttempt(job, failure, decision) {
      const run = runs.get(job)
      const durationMs = Math.round(performance.now() - (run?.startedAt ?? performance.now()))
      const line = { job: job.id, maxAttempts: handler.attempts, durationMs, ...decisionFields(decision) }
      if (failure === undefined) run?.log.info(line, 'handled')
      else (run?.log ?? log).warn({ ...line, reason: failure.message }, 'not handled')
      if (abandoned.count > handler.concurrency) onExhausted(handler.name)
    },
  }
}

function decisionFields(decision: Decision) {
  return decision.kind === 'retry'
    ? { decision: decision.kind, retryInMs: decision.delayMs }
    : { decision: decision.kind }
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
