import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { onTestFinished } from 'vitest'
import { waitFor } from './wait.ts'

/** A real Redis on a unix socket, durable as in production, that a test may freeze, kill and start again. */
export class RedisServer {
  readonly dir = mkdtempSync(join(tmpdir(), 'callcov-redis-'))
  readonly socket = join(this.dir, 'redis.sock')
  readonly url = `unix://${this.socket}`
  readonly #options: readonly string[]
  #process: ChildProcess | undefined

  constructor(options: readonly string[]) {
    this.#options = options
  }

  async start(): Promise<void> {
    const settings = ['--port', '0', '--unixsocket', this.socket, '--dir', this.dir, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
    this.#process = spawn('redis-server', [...settings, ...durable, ...this.#options], { stdio: 'ignore' })
    await this.#waitUntilAnswering()
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Stops the process without closing anything: connections stay open and nothing answers. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Runs commands on a connection of its own. */
  async use<Result>(work: (redis: Redis) => Promise<Result>): Promise<Result> {
    const redis = new Redis(this.socket, { lazyConnect: true, maxRetriesPerRequest: 1 })
    redis.on('error', () => {})
    try {
      await redis.connect()
      return await work(redis)
    } finally {
      redis.disconnect()
    }
  }

  async #waitUntilAnswering(): Promise<void> {
    await waitFor('redis-server to answer', () => this.use(async (redis) => (await redis.ping()) === 'PONG'))
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (server === undefined || server.exitCode !== null) return
    server.kill('SIGCONT')
    server.kill(signal)
    await once(server, 'exit')
  }
}

/** Starts a Redis for one test; it ends and its data go with the test. */
export async function startRedis(...options: string[]): Promise<RedisServer> {
  const server = new RedisServer(options)
  onTestFinished(async () => {
    await server.kill()
    rmSync(server.dir, { recursive: true, force: true })
  })
  await server.start()
  return server
}
