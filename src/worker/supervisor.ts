import { fork, type ChildProcess } from 'node:child_process'
import { StartError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { StopMessage, WorkerMessage } from './messages.ts'

/** A worker that is silent for so long is frozen, and ended. */
const SILENT_MS = 30_000
const RESTART_MIN_MS = 500
const RESTART_MAX_MS = 10_000
/** A worker that ran for so long starts again without delay. */
const HEALTHY_MS = 60_000
/** What a worker may take beyond its grace before it is ended. */
const STOP_MARGIN_MS = 3000

export interface SupervisorOptions {
  readonly entry: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly log: Logger
}

/** Keeps one worker process running: whatever a handler does to it, the receiver goes on and a new one follows. */
export class Supervisor {
  readonly #options: SupervisorOptions
  #child: ChildProcess | undefined
  #restarts = 0
  #restartTimer: NodeJS.Timeout | undefined
  #stopping = false
  /** Settled by the first worker: until one has been ready, its failure is the failure of the start. */
  readonly #firstReady = Promise.withResolvers<readonly string[]>()
  #wasReady = false

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /**
   * Starts the first worker and resolves with the names of its handlers.
   * @throws StartError when it cannot start at all
   */
  start(): Promise<readonly string[]> {
    this.#launch()
    return this.#firstReady.promise
  }

  /** Ends the worker within `graceMs`, by force when it does not end by itself. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restartTimer)
    const child = this.#child
    if (child === undefined) return
    const { promise: exited, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    const message: StopMessage = { kind: 'stop', graceMs }
    if (child.connected) child.send(message)
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs + STOP_MARGIN_MS)
    await exited
    clearTimeout(timer)
  }

  #launch(): void {
    const { entry, args, environment, log } = this.#options
    const startedAt = Date.now()
    const child = fork(entry, args, { env: environment, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    const silence = setTimeout(() => {
      log.error({ pid: child.pid, silentMs: SILENT_MS }, 'the worker is frozen and is ended')
      child.kill('SIGKILL')
    }, SILENT_MS)
    child.on('message', (message: WorkerMessage) => {
      silence.refresh()
      this.#onMessage(message)
    })
    child.on('error', (error) => log.error({ err: error }, 'the worker cannot be reached'))
    child.on('exit', (code, signal) => {
      clearTimeout(silence)
      this.#child = undefined
      if (this.#stopping) return
      if (!this.#wasReady) {
        const text = `The worker ended (${signal ?? `code ${code}`}) while it loaded the handlers.`
        this.#firstReady.reject(new StartError('CALLCOV_HANDLERS', text))
        return
      }
      if (Date.now() - startedAt > HEALTHY_MS) this.#restarts = 0
      const delayMs = Math.min(RESTART_MIN_MS * 2 ** this.#restarts, RESTART_MAX_MS)
      this.#restarts += 1
      log.error({ code, signal, restartInMs: delayMs }, 'the worker ended and is started again')
      this.#restartTimer = setTimeout(() => this.#launch(), delayMs)
    })
  }

  #onMessage(message: WorkerMessage): void {
    const { log } = this.#options
    if (message.kind === 'ready') {
      if (this.#wasReady) log.info({ handlers: message.handlers }, 'the worker runs again')
      this.#wasReady = true
      this.#firstReady.resolve(message.handlers)
    } else if (message.kind === 'cannot-start') {
      if (this.#wasReady) log.error(message.message)
      else this.#firstReady.reject(new StartError('CALLCOV_HANDLERS', message.message))
    }
  }
}
