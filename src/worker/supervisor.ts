import { fork, type ChildProcess } from 'node:child_process'
import { constants, getPriority, setPriority } from 'node:os'
import { StartError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { withinTime } from '../time-limit.ts'
import { forEachLine } from './for-each-line.ts'
import { EXHAUSTED_EXIT_CODE, type ParentMessage, type WorkerMessage } from './messages.ts'

/** A worker that is silent for so long is frozen, and ended. */
const SILENT_MS = 30_000
const RESTART_MIN_MS = 500
const RESTART_MAX_MS = 10_000
/** A worker that ran for so long starts again without delay. */
const HEALTHY_MS = 60_000
/** What a worker may take beyond its grace before it is ended. */
const STOP_MARGIN_MS = 3000
const METRICS_WITHIN_MS = 500

/** Why a worker was replaced. Closed list: a metric label. */
export type RestartReason = 'exited' | 'killed' | 'frozen' | 'exhausted' | 'handlers-changed'

/** In MB. What a worker makes is either garbage at once or waits for Redis, so that more room would only stay filled. */
const YOUNG_LIMIT = '--max-semi-space-size=8'
const FIRST_MODULE = new URL('./limit-heap-growth.ts', import.meta.url).href

export interface SupervisorOptions {
  readonly entry: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly log: Logger
  /** Takes each line that the worker writes to its standard output. */
  readonly writeLogLine: (line: string) => void
  readonly onRestart: (reason: RestartReason) => void
  /** Told when a later worker cannot start; no other one is started before `restart`. */
  readonly onCannotStart: (message: string) => void
}

/** Keeps one worker process running: whatever a handler does to it, the receiver goes on and a new one follows. */
export class Supervisor {
  readonly #options: SupervisorOptions
  /** Settled by the first worker: until one has been ready, its failure is the failure of the start. */
  readonly #firstReady = Promise.withResolvers<readonly string[]>()
  #child: ChildProcess | undefined
  #wasReady = false
  #restarts = 0
  #restartTimer: NodeJS.Timeout | undefined
  #stopping = false
  /** Why the present worker is being replaced, when that was decided here. */
  #replacing: RestartReason | undefined
  #onMetrics: ((text: string) => void) | undefined

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

  /** Replaces the worker by a new one, which loads the handlers anew. */
  restart(graceMs: number): void {
    clearTimeout(this.#restartTimer)
    this.#replacing = 'handlers-changed'
    if (this.#child === undefined) this.#launch()
    else void this.#end(this.#child, graceMs)
  }

  /** The worker's metrics in Prometheus' text format; empty when there is none that answers at once. */
  async metrics(): Promise<string> {
    const child = this.#child
    if (child?.connected !== true) return ''
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#onMetrics = resolve
    child.send({ kind: 'send-metrics' } satisfies ParentMessage)
    return (await withinTime(promise, METRICS_WITHIN_MS)) ?? ''
  }

  /** Ends the worker within `graceMs`, by force when it does not end by itself. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restartTimer)
    if (this.#child !== undefined) await this.#end(this.#child, graceMs)
  }

  async #end(child: ChildProcess, graceMs: number): Promise<void> {
    const { promise: exited, resolve } = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    if (child.connected) child.send({ kind: 'stop', graceMs } satisfies ParentMessage)
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs + STOP_MARGIN_MS)
    await exited
    clearTimeout(timer)
  }

  #launch(): void {
    const { entry, args, environment, log, writeLogLine } = this.#options
    const startedAt = Date.now()
    const child = fork(entry, args, {
      env: environment,
      execArgv: [...process.execArgv, YOUNG_LIMIT, '--import', FIRST_MODULE],
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    this.#putBehindReceiver(child)
    if (child.stdout !== null) forEachLine(child.stdout, writeLogLine)
    this.#child = child
    let cannotStart = false
    const silence = setTimeout(() => {
      log.error({ pid: child.pid, silentMs: SILENT_MS }, 'the worker is frozen and is ended')
      this.#replacing = 'frozen'
      child.kill('SIGKILL')
    }, SILENT_MS)
    child.on('message', (message: WorkerMessage) => {
      silence.refresh()
      if (message.kind === 'cannot-start') cannotStart = true
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
      } else if (!cannotStart || this.#replacing === 'handlers-changed') {
        this.#replace(startedAt, code, signal)
      }
    })
  }

  /**
   * Where both want the processor, answers come before handlers: with 200 webhooks/s of 64 KB on two cores, and a
   * sender and Redis beside them, the p99 of the answers is 12 ms in place of 17.
   */
  #putBehindReceiver({ pid }: ChildProcess): void {
    if (pid === undefined) return
    try {
      const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority
      setPriority(pid, Math.min(getPriority() + PRIORITY_BELOW_NORMAL, PRIORITY_LOW))
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the worker runs at the same priority as the receiver')
    }
  }

  #replace(startedAt: number, code: number | null, signal: NodeJS.Signals | null): void {
    const { log, onRestart } = this.#options
    const exhausted = code === EXHAUSTED_EXIT_CODE
    const reason = this.#replacing ?? (exhausted ? 'exhausted' : signal === null ? 'exited' : 'killed')
    this.#replacing = undefined
    if (Date.now() - startedAt > HEALTHY_MS || reason === 'handlers-changed') this.#restarts = 0
    const isPlanned = reason === 'handlers-changed' || exhausted
    const delayMs = isPlanned ? 0 : Math.min(RESTART_MIN_MS * 2 ** this.#restarts, RESTART_MAX_MS)
    this.#restarts += 1
    if (!isPlanned) log.error({ code, signal, reason, restartInMs: delayMs }, 'the worker ended')
    onRestart(reason)
    this.#restartTimer = setTimeout(() => this.#launch(), delayMs)
  }

  #onMessage(message: WorkerMessage): void {
    const { log, onCannotStart } = this.#options
    if (message.kind === 'ready') {
      if (this.#wasReady) log.info({ handlers: message.handlers }, 'the worker runs again')
      this.#wasReady = true
      this.#firstReady.resolve(message.handlers)
    } else if (message.kind === 'cannot-start') {
      if (this.#wasReady) onCannotStart(message.message)
      else this.#firstReady.reject(new StartError('CALLCOV_HANDLERS', message.message))
    } else if (message.kind === 'metrics') this.#onMetrics?.(message.text)
  }
}
