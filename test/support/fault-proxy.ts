import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { RedisServer } from './redis-server.ts'

/** What passes from the client to Redis, and what comes back. */
export type Direction = 'commands' | 'replies'

const POLL_MS = 5

/**
 * A network between the service and a real Redis whose faults a test switches on and off while it runs. They hold
 * for open connections as well as for new ones.
 */
export class FaultProxy {
  /** How much later each byte arrives, in either direction. */
  latencyMs = 0
  /** Nothing passes and nothing is closed, as with a half-open connection or a black hole. */
  frozen = false
  /** Every connection is reset as soon as it is made. */
  refusing = false
  /** Bytes travel in pieces no longer than this. */
  sliceBytes: number | undefined
  /** How many connections were made so far. */
  connections = 0
  /** The socket of the Redis that new connections lead to, as after a failover behind one address. */
  upstream: string
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  readonly #cuts = new Map<Direction, number>()

  constructor(upstream: string) {
    this.upstream = upstream
    this.#server = createServer((client) => this.#connect(client))
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Lets so many more bytes through in one direction, and then resets the connection that carried the last one. */
  cutAfter(bytes: number, direction: Direction): void {
    this.#cuts.set(direction, bytes)
  }

  /** Whether a cut has not happened yet. */
  get isCutPending(): boolean {
    return this.#cuts.size > 0
  }

  /** Resets every open connection. */
  reset(): void {
    for (const [client, redis] of this.#pairs) {
      client.resetAndDestroy()
      redis.destroy()
    }
  }

  async close(): Promise<void> {
    this.frozen = false
    this.reset()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connect(client: Socket): void {
    this.connections += 1
    client.on('error', () => {})
    if (this.refusing) {
      client.resetAndDestroy()
      return
    }
    const redis = connect(this.upstream)
    redis.on('error', () => client.resetAndDestroy())
    const pair = [client, redis] as const
    this.#pairs.add(pair)
    client.setNoDelay(true)
    this.#carry(client, redis, 'commands')
    this.#carry(redis, client, 'replies')
    client.on('close', () => redis.destroy())
    redis.on('close', () => {
      this.#pairs.delete(pair)
      if (!this.frozen) client.destroy()
    })
  }

  /** Passes on what arrives, in order, each piece when its time has come. */
  #carry(from: Socket, to: Socket, direction: Direction): void {
    let before: Promise<void> = Promise.resolve()
    from.on('data', (chunk) => {
      const dueAt = performance.now() + this.latencyMs
      before = before.then(() => this.#passOn(chunk, to, direction, dueAt)).catch(() => {})
    })
  }

  async #passOn(chunk: Buffer, to: Socket, direction: Direction, dueAt: number): Promise<void> {
    // Taken back when the latency is switched off.
    while (!to.destroyed && (this.frozen || (this.latencyMs > 0 && performance.now() < dueAt))) {
      await sleep(POLL_MS)
    }
    for (let start = 0; start < chunk.length && !to.destroyed;) {
      const piece = chunk.subarray(start, start + (this.sliceBytes ?? chunk.length))
      start += piece.length
      if (this.#isCutBy(piece, to, direction)) return
      await new Promise<void>((resolve) => to.write(piece, () => resolve()))
    }
  }

  #isCutBy(piece: Buffer, to: Socket, direction: Direction): boolean {
    const left = this.#cuts.get(direction)
    if (left === undefined) return false
    if (piece.length < left) {
      this.#cuts.set(direction, left - piece.length)
      return false
    }
    this.#cuts.delete(direction)
    to.write(piece.subarray(0, left))
    for (const pair of this.#pairs) {
      if (!pair.includes(to)) continue
      // The last bytes are to arrive before the end does.
      setImmediate(() => pair.forEach((socket) => socket.destroy()))
    }
    return true
  }
}

/** Puts a proxy in front of a Redis; it closes with the test. */
export async function startFaultProxy(redis: RedisServer): Promise<FaultProxy> {
  const proxy = new FaultProxy(redis.socket)
  await proxy.start()
  onTestFinished(() => proxy.close())
  return proxy
}
