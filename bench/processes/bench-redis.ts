import { Redis } from 'ioredis'
import { freePort } from '../../src/drill/free-port.ts'
import { waitFor } from '../wait-for.ts'
import { BenchProcess, type Site } from './bench-process.ts'

const READY_WITHIN_MS = 10_000

/**
 * As the service runs its own: each answer is on disk. Only the rewriting of the file is off, which would strike
 * one measurement and not the other.
 */
const SETTINGS = {
  appendonly: 'yes',
  appendfsync: 'always',
  save: '',
  'maxmemory-policy': 'noeviction',
  'hash-max-listpack-value': '4096',
  'auto-aof-rewrite-percentage': '0',
}

/** An empty Redis on a port of the loopback, as durable as the promise asks for. */
export class BenchRedis {
  readonly process: BenchProcess
  readonly url: string
  /** A connection of the bench, for looking on. */
  readonly client: Redis

  static async start(site: Site): Promise<BenchRedis> {
    const port = await freePort()
    const args = Object.entries(SETTINGS).flatMap(([name, value]) => [`--${name}`, value])
    const server = await BenchProcess.start(site, {
      name: 'Redis',
      command: 'redis-server',
      args: ['--bind', '127.0.0.1', '--port', String(port), '--dir', site.folder, ...args],
    })
    const redis = new BenchRedis(server, port)
    const answers = async () => {
      server.expectAlive()
      return (await redis.client.ping().catch(() => '')) === 'PONG'
    }
    await waitFor('Redis to answer', answers, { withinMs: READY_WITHIN_MS, signal: site.signal })
    return redis
  }

  private constructor(server: BenchProcess, port: number) {
    this.process = server
    this.url = `redis://127.0.0.1:${port}`
    this.client = new Redis(this.url, {
      maxRetriesPerRequest: 0,
      retryStrategy: () => 20,
    })
    // The command that fails says so, too.
    this.client.on('error', () => {})
  }

  async usedMemory(): Promise<number> {
    const info = await this.client.info('memory')
    return Number(/used_memory:(\d+)/.exec(info)?.[1])
  }

  async stop(): Promise<void> {
    this.client.disconnect()
    await this.process.kill()
  }
}
