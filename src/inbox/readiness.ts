import type { Redis } from 'ioredis'
import type { UnavailableReason } from '../errors.ts'
import type { Logger } from '../log.ts'
import { withinTime } from '../time-limit.ts'
import { readRedisInfo, type RedisInfo } from './redis-info.ts'

/** How old an INFO may be when it speaks for Redis. */
const FRESH_MS = 1000
/** How long a refused webhook speaks against readiness; then the next one tells whether it still is so. */
const REFUSED_MS = 10_000
/** Above this share of its memory, room is left for the workers, which cannot drain a full Redis either. */
const MEMORY_MARK = 0.8

/**
 * Whether a webhook can be stored: the service is not stopping, and Redis' role, persistence, eviction policy and
 * memory allow it, from an INFO each second. At every connect it also logs how durable an acknowledged webhook is.
 */
export class Readiness {
  readonly #redis: Redis
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #info: RedisInfo | undefined
  #acceptedBytes = 0
  /** What Redis last said to a webhook, if it did not take it. */
  #refused: { readonly reason: UnavailableReason; readonly at: number } | undefined
  #refreshing: Promise<void> | undefined
  #durable: boolean | undefined
  #stopping = false

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

  /** Whether an acknowledged webhook survives a power cut of the Redis host; `undefined` until known. */
  get durable(): boolean | undefined {
    return this.#durable
  }

  /** Used share of the memory limit; `undefined` until known. */
  get memoryRatio(): number | undefined {
    return this.#info === undefined
      ? undefined
      : (this.#info.usedBytes + this.#acceptedBytes) / this.#info.limitBytes
  }

  /** Why a webhook cannot be stored at this moment, as far as is known without asking; for the accept path. */
  refusal(): UnavailableReason | undefined {
    if (this.#stopping) return 'stopping'
    if (this.#info === undefined) return 'redis-unreachable'
    const { reason } = this.#info
    if (this.#redis.status !== 'ready') return reason === 'redis-loading' ? reason : 'redis-unreachable'
    return reason ?? ((this.memoryRatio ?? 0) > MEMORY_MARK ? 'overloaded' : undefined)
  }

  /** Why a webhook cannot be stored, from an INFO at most 1 s old; for readiness. */
  async unavailableReason(): Promise<UnavailableReason | undefined> {
    if (!this.#isFresh() && !this.#stopping) await this.#refresh()
    if (!this.#isFresh() && !this.#stopping) return 'redis-unreachable'
    return this.refusal() ?? this.#recentRefusal()
  }

  /** Told when Redis answered that it does not store a webhook, for a reason that its INFO may not tell. */
  noteRefused(reason: UnavailableReason, error: Error): void {
    if (this.#recentRefusal() === undefined) this.#log.error({ reason, err: error }, 'Redis refuses webhooks')
    this.#refused = { reason, at: performance.now() }
  }

  /** Counts what was stored since the last INFO, so that a burst cannot overrun the mark between two. */
  countAccepted(bytes: number): void {
    this.#acceptedBytes += bytes
    this.#refused = undefined
  }

  #recentRefusal(): UnavailableReason | undefined {
    const isRecent = this.#refused !== undefined && performance.now() - this.#refused.at < REFUSED_MS
    return isRecent ? this.#refused?.reason : undefined
  }

  /** From now on nothing is to be accepted. */
  stop(): void {
    this.#stopping = true
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #isFresh(): boolean {
    return this.#info !== undefined && performance.now() - this.#info.readAt <= FRESH_MS
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
    // A failed or late answer counts as none: the age of the last one tells.
    const info = await withinTime(readRedisInfo(this.#redis), FRESH_MS).catch(() => undefined)
    if (info === undefined) return
    if (info.reason !== this.#info?.reason) this.#reportReason(info.reason)
    this.#info = info
    this.#acceptedBytes -= acceptedBefore
  }

  #reportReason(reason: UnavailableReason | undefined): void {
    if (reason === 'redis-evicts') {
      this.#log.error('Redis may evict webhooks, so all are refused: set maxmemory-policy noeviction')
    } else if (reason !== undefined) this.#log.error({ reason }, 'Redis cannot store webhooks')
  }

  async #checkDurability(): Promise<void> {
    const { appendOnly, policy, hasOwnLimit } = await readRedisInfo(this.#redis)
    const appendfsync = await this.#redis.config('GET', 'appendfsync').then(
      (reply) => configValue(reply),
      () => undefined,
    )
    this.#durable = appendOnly && appendfsync === 'always'
    const facts = { appendonly: appendOnly, appendfsync: appendfsync ?? 'unknown', policy }
    if (this.#durable) this.#log.info(facts, 'an acknowledged webhook survives a power cut of Redis')
    else {
      const text =
        'a crash of the Redis host may lose acknowledged webhooks; set appendonly yes, appendfsync always'
      this.#log.warn(facts, text)
    }
    if (policy.startsWith('volatile-')) {
      this.#log.warn(facts, 'Redis may forget which webhooks it has seen; set maxmemory-policy noeviction')
    }
    if (!hasOwnLimit) {
      this.#log.info('Redis has no maxmemory; 60 % of the memory of its machine is taken as the limit')
    }
  }
}

/** RESP2 answers with a list of name and value, RESP3 with a map, which ioredis gives as an object or a list. */
function configValue(reply: unknown): string | undefined {
  const value = Array.isArray(reply) ? reply.flat()[1] : Object.values(reply ?? {})[0]
  return typeof value === 'string' ? value : undefined
}
