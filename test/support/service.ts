import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { expectNoLeak } from './canary.ts'
import { SECRET } from './deliveries.ts'
import { tempDir } from './temp-dir.ts'
import { waitFor } from './wait.ts'

const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface ServiceSetup {
  /** Settings besides those every test service has: a secret, free ports, folders of its own. */
  readonly env?: NodeJS.ProcessEnv
  /** Handler files by name. */
  readonly handlers?: Record<string, string>
  /** The file to run instead of this project's own. */
  readonly entry?: string
}

/** The service as its users run it: a process of its own, with children of its own. */
export class Service {
  readonly process: ChildProcess
  readonly handlersDir: string
  readonly dataDir: string
  #output = ''

  constructor({ env = {}, handlers = {}, entry = ENTRY }: ServiceSetup) {
    const dir = tempDir()
    this.handlersDir = env.HANDLERS_DIR ?? join(dir, 'handlers')
    this.dataDir = env.DATA_DIR ?? join(dir, 'data')
    mkdirSync(this.handlersDir, { recursive: true })
    for (const [name, text] of Object.entries(handlers)) writeFileSync(join(this.handlersDir, name), text)
    this.process = spawn(process.execPath, [entry], {
      cwd: dir,
      env: {
        PATH: process.env.PATH,
        CALLCOV_WEBHOOK_SECRET: SECRET,
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: '0',
        // Tests leave handlers running that never end; none needs to be waited for.
        SHUTDOWN_GRACE: '6s',
        DATA_DIR: this.dataDir,
        HANDLERS_DIR: this.handlersDir,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString()
    })
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString()
    })
    onTestFinished(async () => {
      await this.stop()
      expectNoLeak(this.#output)
    })
  }

  /** All it has written so far, to either stream. */
  get output(): string {
    return this.#output
  }

  /** Its log lines that are JSON and match. */
  logLines(match: Record<string, unknown> = {}): Record<string, unknown>[] {
    const lines = this.#output.split('\n').filter((line) => line.startsWith('{'))
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    return parsed.filter((line) => Object.entries(match).every(([key, value]) => line[key] === value))
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  /** Address of the public listener. */
  get url(): string {
    return this.#told(/webhook URL\s+(http:\/\/\S+)\/webhooks\/callcov|"url":"([^"]+)"/)
  }

  /** Address of the private listener. */
  get adminUrl(): string {
    return this.#told(/private\s+(http:\/\/\S+)\/metrics|"adminUrl":"([^"]+)"/)
  }

  /** What the start message says, or the log line that stands for it in production. */
  #told(pattern: RegExp): string {
    const match = pattern.exec(this.#output)
    const address = match?.[1] ?? match?.[2]
    if (address === undefined) throw new Error(`no address in: ${this.#output}`)
    return address
  }

  get webhookUrl(): string {
    return `${this.url}/webhooks/callcov`
  }

  async ready(): Promise<this> {
    await waitFor('the start message', () => /is ready|"msg":"started"/.test(this.#output) || !this.isRunning)
    if (!this.isRunning) throw new Error(`the service ended: ${this.#output}`)
    return this
  }

  /** Process numbers of its children: the worker and, if embedded, none else (Redis is in a group of its own). */
  async workerPid(): Promise<number> {
    const { pid } = this.process
    return await waitFor('the worker process', async () => {
      const { readFileSync } = await import('node:fs')
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
      const workers = children.filter((child) =>
        readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker-process'),
      )
      return workers[0] === undefined ? undefined : Number(workers[0])
    })
  }

  async exitCode(): Promise<number | null> {
    if (this.isRunning) await once(this.process, 'exit')
    return this.process.exitCode
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return
    const exited = once(this.process, 'exit')
    this.process.kill('SIGCONT')
    this.process.kill(signal)
    await exited
  }
}

/** Starts a service and waits until it is ready; it stops with the test. */
export async function startService(setup: ServiceSetup = {}): Promise<Service> {
  return await new Service(setup).ready()
}
