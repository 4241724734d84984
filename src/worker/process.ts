import { Worker as Thread } from 'node:worker_threads'
import type { Config } from '../config.ts'
import { StartError } from '../errors.ts'
import { createBuiltinHandlers } from '../handlers/builtin-handlers.ts'
import { loadHandlers } from '../handlers/loader.ts'
import type { LoadedHandler } from '../handlers/read-handler.ts'
import { watchPayloadKeys } from '../watch-secrets.ts'
import type { Logger } from '../log.ts'
import { createWorkerMetrics } from '../metrics.ts'
import { EXHAUSTED_EXIT_CODE, HEARTBEAT_MS, type ParentMessage, type WorkerMessage } from './messages.ts'
import { startWorker } from './worker.ts'

/** For a worker that stops because its handlers no longer end: what still can finish should do so. */
const EXHAUSTED_GRACE_MS = 5000

export interface WorkerProcessOptions {
  readonly config: Config & { readonly redisUrl: string }
  readonly log: Logger
  readonly parentPid: number
  readonly send: (message: WorkerMessage) => void
  readonly onMessage: (listener: (message: ParentMessage) => void) => void
  readonly exit: (code: number) => void
}

/** The worker as a process of its own: loads the handlers, runs them, and tells the supervisor that it lives. */
export async function runWorkerProcess(
  options: WorkerProcessOptions,
): Promise<{ stop(graceMs: number): void } | undefined> {
  const { config, log, parentPid, send, onMessage, exit } = options
  const watch = new Thread(new URL('./parent-watch.ts', import.meta.url), { workerData: { parentPid } })
  watch.unref()

  const handlers = await loadAll(config, log).catch((error: unknown) => {
    if (!(error instanceof StartError)) throw error
    send({ kind: 'cannot-start', message: error.message })
    return undefined
  })
  if (handlers === undefined) {
    exit(1)
    return undefined
  }

  const metrics = createWorkerMetrics()
  const worker = startWorker({
    config,
    handlers,
    keys: watchPayloadKeys(config.payloadKeys, log),
    metrics,
    log,
    onExhausted(handler) {
      if (stopping) return
      log.error({ handler }, 'too many runs of this handler ignore their abort; the worker starts afresh')
      stop(EXHAUSTED_GRACE_MS, EXHAUSTED_EXIT_CODE)
    },
  })
  let stopping = false
  function stop(graceMs: number, exitCode = 0): void {
    if (stopping) return
    stopping = true
    worker.stop(graceMs).then(
      () => exit(exitCode),
      () => exit(1),
    )
  }
  onMessage((message) => {
    if (message.kind === 'stop') stop(message.graceMs)
    else void metrics.registry.metrics().then((text) => send({ kind: 'metrics', text }))
  })
  setInterval(() => send({ kind: 'heartbeat' }), HEARTBEAT_MS)
  send({ kind: 'ready', handlers: handlers.map(({ name }) => name) })
  return { stop }
}

async function loadAll(config: Config, log: Logger): Promise<LoadedHandler[]> {
  const builtin = await createBuiltinHandlers(config, log)
  return await loadHandlers(config.handlersDir, config.handlerDefaults, builtin)
}
