import { totalmem } from 'node:os'
import type { Redis } from 'ioredis'
import type { UnavailableReason } from '../errors.ts'
import type { Logger } from '../log.ts'

/** How old an INFO may be when it speaks for Redis. */
const FRESH_MS = 1000
/** Above this share of its memory, room is left for the workers, which cannot drain a full Redis either. */
const MEMORY_MARK = 0.8
/** Taken for `maxmemory` where none is set. */
const MEMORY_SHARE_OF_MACHINE = 0.6

interface RedisInfo {
  readonly readAt: number
  readonly reason: UnavailableReason | undefined
  readonly usedBytes: number
  readonly limitBytes: number
}

/**
 * Watches whether Redis can take a webhook: role, persistence, eviction policy and memory, from an INFO each
 * second. At every connect it also says how durable an acknowledged webhook is.
 */
export class RedisState {
  readonly #redis: Redis
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #info: RedisInfo | undefined
  #acceptedBytes = 0
  #refreshing: Promise<void> | undefined
  /** Whether an acknowledged webhook survives a power cut of the Redis host; `undefined` until known. */
  durable: boolean | undefined

  constructor(redis: Redis, log: Logger) {
    this.#redis = redis
    this.#log = log
    const onReady = () => {
      void this.#refresh()
      this.#checkDurability().catch((error: unknown) =>
        log.warn({ err: error }, 'Redis did not tell its settings'),
      )
    }
    if (redis.status === 'ready') onReady()
    redis.on('ready', onReady)
    // What was true of it may not be true of what answers next, a replica after a failover for one.
    redis.on('close', () => {
      this.#info = undefined
    })
    this.#timer = setInterval(() => void this.#refresh(), FRESH_MS)
    this.#timer.unref()
  }

  /** Why a webhook cannot be stored at this moment, as far as is known without asking; for the accept path. */
  refusal(): UnavailableReason | undefined {
    if (this.#info === undefined) return 'redis-unreachable'
    const { reason } = this.#info
    if (this.#redis.status !== 'ready') return reason === 'redis-loading' ? reason : 'redis-unreachable'
    return reason ?? (this.memoryRatio() > MEMORY_MARK ? 'overloaded' : undefined)
  }

  /** Why a webhook cannot be stored, from an INFO at most 1 s old; for readiness. */
  async unavailableReason(): Promise<UnavailableReason | undefined> {
    if (!this.#isFresh()) await this.#refresh()
    return this.#isFresh() ? this.refusal() : 'redis-unreachable'
  }

  /** Counts what was stored since the last INFO, so that a burst cannot overrun the mark between two. */
  countAccepted(bytes: number): void {
    this.#acceptedBytes += bytes
  }

  /** Used share of the memory limit, 0 while unknown. */
  memoryRatio(): number {
    return this.#info === undefined ? 0 : (this.#info.usedBytes + this.#acceptedBytes) / this.#info.limitBytes
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #isFresh(): boolean {
    return this.#info !== undefined && Date.now() - this.#info.readAt <= FRESH_MS
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #read(): Promise<void> {
    // While Redis loads its file, ioredis stays at `connect`, and INFO is answered.
    if (this.#redis.status !== 'ready' && this.#redis.status !== 'connect') return
    const acceptedBefore = this.#acceptedBytes
    const text = await withinFreshness(this.#redis.info())
    if (text === undefined) return
    const info = parseInfo(text)
    if (info.reason !== this.#info?.reason) {
      if (info.reason === 'redis-evicts') {
        this.#log.error(
          'Redis may evict webhooks: set maxmemory-policy noeviction; until then all are refused',
        )
      } else if (info.reason !== undefined) {
        this.#log.error({ reason: info.reason }, 'Redis cannot store webhooks')
      }
    }
    this.#info = info
    this.#acceptedBytes -= acceptedBefore
  }

  async #checkDurability(): Promise<void> {
    const info = parseFields(await this.#redis.info())
    const appendfsync = await this.#redis.config('GET', 'appendfsync').then(
      (reply) => configValue(reply),
      () => undefined,
    )
    const policy = info.get('maxmemory_policy')
    this.durable = info.get('aof_enabled') === '1' && appendfsync === 'always'
    const facts = {
      appendonly: info.get('aof_enabled') === '1',
      appendfsync: appendfsync ?? 'unknown',
      policy,
    }
    if (this.durable) this.#log.info(facts, 'an acknowledged webhook survives a power cut of Redis')
    else
      this.#log.warn(
        facts,
        'a crash of the Redis host may lose acknowledged webhooks; appendonly yes with appendfsync always keeps them',
      )
    if (policy?.startsWith('volatile-')) {
      this.#log.warn(facts, 'Redis may forget which webhooks it has seen; set maxmemory-policy noeviction')
    }
    if (info.get('maxmemory') === '0') {
      this.#log.info('Redis has no maxmemory; 60 % of the memory of its machine is taken as the limit')
    }
  }
}

function parseInfo(text: string): RedisInfo {
  const info = parseFields(text)
  const limit = Number(info.get('maxmemory'))
  const machine = Number(info.get('total_system_memory')) || totalmem()
  return {
    readAt: Date.now(),
    reason: infoReason(info),
    usedBytes: Number(info.get('used_memory')),
    limitBytes: limit > 0 ? limit : machine * MEMORY_SHARE_OF_MACHINE,
  }
}

function infoReason(info: ReadonlyMap<string, string>): UnavailableReason | undefined {
  if (info.get('loading') === '1') return 'redis-loading'
  if (info.get('role') === 'slave') return 'redis-read-only'
  if (info.get('aof_last_write_status') === 'err') return 'redis-write-error'
  if (info.get('maxmemory_policy')?.startsWith('allkeys-')) return 'redis-evicts'
  return undefined
}

function parseFields(text: string): Map<string, string> {
  const lines = text.split('\r\n').map((line) => line.split(':', 2))
  return new Map(lines.filter((parts): parts is [string, string] => parts.length === 2))
}

/** RESP2 answers with a list of name and value, RESP3 with a map, which ioredis gives as an object or a list. */
function configValue(reply: unknown): string | undefined {
  const value = Array.isArray(reply) ? reply.flat()[1] : Object.values(reply ?? {})[0]
  return typeof value === 'string' ? value : undefined
}

/** A failed or late answer counts as none: the age of the last INFO tells. */
async function withinFreshness(reply: Promise<string>): Promise<string | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), FRESH_MS)
  try {
    return await Promise.race([reply.catch(() => undefined), late])
  } finally {
    clearTimeout(timer)
  }
}
