import { join } from 'node:path'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { PayloadKeys } from '../inbox/payload-keys.ts'
import { QueueStatsReader } from '../inbox/queue-stats.ts'
import type { Belongings } from './belongings.ts'
import { DrilledProcess } from './drilled-process.ts'
import { waitUntil } from './wait-until.ts'

const READY_WITHIN_MS = 30_000
/** Of the service, whose default it is. */
const PREFIX = 'callcov'

export interface DrilledSetup {
  readonly folder: string
  readonly belongings: Belongings
  /** Of the drill: aborted, it ends every waiting. */
  readonly signal: AbortSignal
  readonly environment: NodeJS.ProcessEnv
}

/** A Redis as durable as the promise asks for: it may lose nothing when it is killed. */
export class DrilledRedis {
  readonly url: string
  readonly #setup: DrilledSetup
  readonly #socket: string
  #server: DrilledProcess | undefined

  constructor(setup: DrilledSetup) {
    this.#setup = setup
    this.#socket = join(setup.folder, 'redis.sock')
    this.url = `unix://${this.#socket}`
  }

  /** Starts it and waits until it has read its file and answers. */
  async start(): Promise<void> {
    const { folder, belongings, signal, environment } = this.#setup
    const settings = ['--port', '0', '--unixsocket', this.#socket, '--dir', folder, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
    const server = await DrilledProcess.start({
      name: 'Redis',
      command: 'redis-server',
      args: [...settings, ...durable],
      logFile: join(folder, 'redis.log'),
      folder,
      environment,
      belongings,
    })
    this.#server = server
    const answers = async () => {
      server.expectAlive()
      return await this.#use(async (redis) => (await redis.ping()) === 'PONG').catch(() => false)
    }
    await waitUntil('Redis does not answer', answers, { withinMs: READY_WITHIN_MS, signal })
  }

  async kill(): Promise<void> {
    const server = this.#server
    await server?.kill()
    if (server !== undefined) this.#setup.belongings.removeGroup(server.pid)
  }

  freeze(): void {
    this.#server?.freeze()
  }

  thaw(): void {
    this.#server?.thaw()
  }

  expectAlive(): void {
    this.#server?.expectAlive()
  }

  /** How many jobs of all queues are not over yet, and how many are dead letters. */
  async countJobs(): Promise<{ unfinished: number; dead: number }> {
    return await this.#use(async (redis) => {
      const keys = new PayloadKeys()
      const stats = new QueueStatsReader({ redis, prefix: PREFIX, keys, log: pino({ level: 'silent' }) })
      const queues = (await stats.read()).map(({ jobs }) => jobs)
      return {
        unfinished: queues.reduce((sum, jobs) => sum + jobs.waiting + jobs.active + jobs.delayed, 0),
        dead: queues.reduce((sum, jobs) => sum + jobs.failed, 0),
      }
    })
  }

  async #use<Result>(work: (redis: Redis) => Promise<Result>): Promise<Result> {
    const redis = new Redis(this.#socket, {
      lazyConnect: true,
      maxRetriesPerRequest: 1,
      retryStrategy: () => null,
    })
    // The command that fails says so, too.
    redis.on('error', () => {})
    try {
      await redis.connect()
      return await work(redis)
    } finally {
      redis.disconnect()
    }
  }
}
