import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isGroupAlive } from './belongings.ts'
import { DrilledProcess } from './drilled-process.ts'
import type { DrilledSetup } from './drilled-redis.ts'
import { freePort } from './free-port.ts'
import { forgetWorkerPid, readWorkerPid, recordingHandler } from './recording-handler.ts'
import { waitUntil } from './wait-until.ts'

const HOST = '127.0.0.1'
const READY_WITHIN_MS = 60_000
/** A worker whose parent is gone looks for it twice a second. */
const ORPHANS_GONE_WITHIN_MS = 10_000

export interface ServiceSetup extends DrilledSetup {
  /** The file that runs it. */
  readonly entry: string
  readonly redisUrl: string
  readonly secret: string
}

/** The whole service, receiver and worker, as it runs in production. */
export class DrilledService {
  readonly #setup: ServiceSetup
  readonly #port: number
  #main: DrilledProcess | undefined
  #killed: DrilledProcess | undefined
  #starts = 0

  static async create(setup: ServiceSetup): Promise<DrilledService> {
    const handlers = handlersDir(setup.folder)
    mkdirSync(handlers)
    writeFileSync(join(handlers, 'drill.mjs'), recordingHandler(setup.folder))
    return new DrilledService(setup, await freePort())
  }

  private constructor(setup: ServiceSetup, port: number) {
    this.#setup = setup
    this.#port = port
  }

  get webhookUrl(): string {
    return `http://${HOST}:${this.#port}/webhooks/callcov`
  }

  /** Starts it, on the same port each time, and waits until it listens. */
  async start(): Promise<void> {
    const { entry, folder, belongings, signal } = this.#setup
    this.#starts += 1
    const main = await DrilledProcess.start({
      name: 'The service',
      command: process.execPath,
      args: [entry],
      logFile: join(folder, `service-${this.#starts}.log`),
      environment: this.#environment(),
      folder,
      belongings,
    })
    this.#main = main
    const started = () => {
      main.expectAlive()
      return main.output.includes('"msg":"started"')
    }
    await waitUntil('the service does not start', started, { withinMs: READY_WITHIN_MS, signal })
  }

  /** Kills the receiver alone; its worker has to notice by itself, meanwhile a new service may run already. */
  async kill(): Promise<void> {
    forgetWorkerPid(this.#setup.folder)
    await this.#main?.kill()
    this.#killed = this.#main
  }

  /** Waits until nothing is left of the service that was killed. */
  async orphansGone(): Promise<void> {
    const { belongings, signal } = this.#setup
    const pid = this.#killed?.pid
    if (pid === undefined) return
    const limits = { withinMs: ORPHANS_GONE_WITHIN_MS, signal }
    await waitUntil('a worker outlives its service', () => !isGroupAlive(pid), limits)
    belongings.removeGroup(pid)
    this.#killed = undefined
  }

  freeze(): void {
    this.#main?.freeze()
  }

  thaw(): void {
    this.#main?.thaw()
  }

  expectAlive(): void {
    this.#main?.expectAlive()
  }

  async killWorker(): Promise<void> {
    const pid = await this.#workerPid()
    forgetWorkerPid(this.#setup.folder)
    process.kill(pid, 'SIGKILL')
  }

  /** Freezes the worker and returns what thaws it. */
  async freezeWorker(): Promise<() => void> {
    const pid = await this.#workerPid()
    process.kill(pid, 'SIGSTOP')
    return () => void process.kill(pid, 'SIGCONT')
  }

  async #workerPid(): Promise<number> {
    const { folder, signal } = this.#setup
    const limits = { withinMs: READY_WITHIN_MS, signal }
    await waitUntil('there is no worker', () => readWorkerPid(folder) !== undefined, limits)
    return readWorkerPid(folder) ?? 0
  }

  #environment(): NodeJS.ProcessEnv {
    const { folder, environment, redisUrl, secret } = this.#setup
    return {
      ...environment,
      NODE_ENV: 'production',
      ROLE: 'all',
      HOST,
      PORT: String(this.#port),
      ADMIN_PORT: '0',
      CALLCOV_WEBHOOK_SECRET: secret,
      REDIS_URL: redisUrl,
      DATA_DIR: join(folder, 'data'),
      HANDLERS_DIR: handlersDir(folder),
    }
  }
}

const handlersDir = (folder: string) => join(folder, 'handlers')
