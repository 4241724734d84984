import { Worker as Thread } from 'node:worker_threads'
import { StartError } from '../errors.ts'
import { loadHandlers } from '../handlers/loader.ts'
import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'
import { HEARTBEAT_MS, type StopMessage, type WorkerMessage } from './messages.ts'
import { startWorker, type RunningWorker } from './worker.ts'

/** For a worker that stops because its handlers no longer end: what still can finish should do so. */
const EXHAUSTED_GRACE_MS = 5000

export interface WorkerProcessOptions {
  readonly config: Config & { readonly redisUrl: string }
  readonly log: Logger
  readonly parentPid: number
  readonly send: (message: WorkerMessage) => void
  readonly onMessage: (listener: (message: StopMessage) => void) => void
  readonly exit: (code: number) => void
}

/** The worker as a process of its own: loads the handlers, runs them, and tells the supervisor that it lives. */
export async function runWorkerProcess(
  options: WorkerProcessOptions,
): Promise<{ stop(graceMs: number): Promise<void> }> {
  const { config, log, parentPid, send, onMessage, exit } = options
  const watch = new Thread(new URL('./parent-watch.ts', import.meta.url), { workerData: { parentPid } })
  watch.unref()

  const handlers = await loadHandlers(config.handlersDir, config.handlerDefaults).catch((error: unknown) => {
    if (!(error instanceof StartError)) throw error
    send({ kind: 'cannot-start', message: error.message })
    return undefined
  })
  if (handlers === undefined) {
    exit(1)
    return { stop: async () => {} }
  }

  let stopping: Promise<void> | undefined
  const stop = (graceMs: number) => (stopping ??= worker.stop(graceMs).then(() => exit(0)))
  const worker: RunningWorker = startWorker({
    config,
    handlers,
    log,
    onExhausted(handler) {
      if (stopping !== undefined) return
      log.error({ handler }, 'too many runs of this handler ignore their abort; the worker starts afresh')
      void stop(EXHAUSTED_GRACE_MS)
    },
  })
  onMessage((message) => void stop(message.graceMs))
  setInterval(() => send({ kind: 'heartbeat' }), HEARTBEAT_MS)
  send({ kind: 'ready', handlers: handlers.map(({ name }) => name) })
  return { stop }
}
