import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import type { LoadedHandler } from '../handlers/read-handler.ts'
import { handlerQueueName, openQueue, registerHandlers, type QueueConnection } from '../inbox/queues.ts'
import type { PayloadKeys } from '../inbox/payload-keys.ts'
import { connectForWorking } from '../inbox/redis-connection.ts'
import { startSweep } from '../inbox/sweep.ts'
import type { Logger } from '../log.ts'
import { withinTime } from '../time-limit.ts'
import type { WorkerMetrics } from '../metrics.ts'
import { createDispatchRunner } from './dispatch.ts'
import { HandlerHooks } from './handler-hooks.ts'
import { createHandlerRunner } from './handler-runner.ts'
import { RecentDeliveries } from './recent-deliveries.ts'
import { startJobWorker, type JobRunner } from './run-job.ts'
import { SuspectGate } from './suspects.ts'

/** After the grace of the stop: time for aborted handlers to end and for their jobs to be given back. */
const GIVE_BACK_WITHIN_MS = 2000
/** For handlers to close what they have opened: what is left of the grace, but so much in any case, and no more. */
const STOP_HOOKS_MIN_MS = 800
const STOP_HOOKS_MAX_MS = 5000
const POLL_MS = 20
const REGISTER_EVERY_MS = 5000

export interface WorkerOptions {
  readonly config: Pick<
    Config,
    'redisPrefix' | 'handlerDefaults' | 'staleAfterMs' | 'keepCompletedMs' | 'keepDeadMs'
  > & {
    readonly redisUrl: string
  }
  readonly handlers: readonly LoadedHandler[]
  readonly keys: PayloadKeys
  readonly metrics: WorkerMetrics
  readonly log: Logger
  /** Called when runs that ignore their abort have filled a handler's places, so that only a new process helps. */
  readonly onExhausted: (handler: string) => void
}

export interface RunningWorker {
  /** Lets running handlers finish for `graceMs`, then gives back what is left; resolves when nothing runs. */
  stop(graceMs: number): Promise<void>
}

/** Takes deliveries from the inbox, runs the handlers and sweeps away what is too old, until stopped. */
export function startWorker({
  config,
  handlers,
  keys,
  metrics,
  log,
  onExhausted,
}: WorkerOptions): RunningWorker {
  const redis = connectForWorking(config.redisUrl, log)
  const connection: QueueConnection = { redis, prefix: config.redisPrefix, keys, log }
  const stopped = new AbortController()
  const shared = {
    stopped: stopped.signal,
    suspects: new SuspectGate(),
    running: { count: 0 },
    metrics,
    onExhausted,
    hooks: new HandlerHooks(handlers, log),
    recent: new RecentDeliveries(),
    keys,
    log,
  }
  const handlerQueues = handlers.map((handler) => ({
    handler,
    queue: openQueue(handlerQueueName(handler.name), connection),
  }))
  const names = handlers.map(({ name }) => name)
  registerHandlers(connection, names)
  // Again and again, for a Redis that was emptied or replaced.
  const registration = setInterval(() => registerHandlers(connection, names), REGISTER_EVERY_MS)
  const runners = [
    createDispatchRunner(handlerQueues, {
      ...shared,
      limits: config.handlerDefaults,
      staleAfterMs: config.staleAfterMs,
    }),
    ...handlerQueues.map((handlerQueue) => createHandlerRunner(handlerQueue, connection, shared)),
  ]
  const workers = runners.map((runner) => startJobWorker(runner, connection))
  const sweep = startSweep(connection, config)
  shared.hooks.start()

  return {
    async stop(graceMs) {
      sweep.stop()
      clearInterval(registration)
      let isClosed = false
      const closed = Promise.all(workers.map((worker) => worker.close())).then(() => {
        isClosed = true
      })
      // Closing never ends while Redis cannot be reached, so it is not waited for when nothing runs.
      const isOver = () => isClosed || (shared.running.count === 0 && redis.status !== 'ready')
      const deadline = Date.now() + graceMs
      while (!isOver() && Date.now() < deadline) await sleep(POLL_MS)
      if (!isOver()) {
        stopped.abort(new Error('the service stops'))
        await Promise.race([closed, sleep(GIVE_BACK_WITHIN_MS)])
      }
      const leftMs = Math.max(deadline - Date.now(), STOP_HOOKS_MIN_MS)
      await Promise.all([
        shared.hooks.stop(Math.min(leftMs, STOP_HOOKS_MAX_MS)),
        // Whoever takes over, with mended handlers perhaps, need not wait for the rest of this one.
        redis.status === 'ready' && withinTime(liftRests(runners), STOP_HOOKS_MIN_MS),
      ])
      redis.disconnect()
    },
  }
}

async function liftRests(runners: readonly JobRunner[]): Promise<void> {
  await Promise.allSettled(runners.map(async ({ rest }) => await rest?.lift()))
}
