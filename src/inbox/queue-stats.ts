import { reasonOf, type FailureReason } from './dead-letters.ts'
import {
  handlerQueueName,
  INBOX_QUEUE,
  queueKey,
  registeredHandlers,
  type QueueConnection,
} from './queues.ts'

/** The states of a queue, by the name of BullMQ's key. */
const STATES = {
  waiting: 'wait',
  active: 'active',
  delayed: 'delayed',
  completed: 'completed',
  failed: 'failed',
}
export type QueueState = keyof typeof STATES

export interface QueueStats {
  readonly queue: string
  /** Whose queue it is; `null`: the inbox. */
  readonly handler: string | null
  readonly isPaused: boolean
  readonly jobs: Readonly<Record<QueueState, number>>
  /** Of the job that has waited longest; 0 when none waits. */
  readonly oldestSeconds: number
  readonly deadLetters: ReadonlyMap<FailureReason, number>
}

const PAGE = 1000
/** Dead letters beyond this number are counted anew at most every 10 s. */
const QUICK_COUNT = 5000
const RECOUNT_AFTER_MS = 10_000

interface CountedReasons {
  readonly fingerprint: string
  readonly countedAt: number
  readonly counts: Map<FailureReason, number>
}

/** Reads what the queues hold, at a cost that does not grow with their length. */
export class QueueStatsReader {
  readonly #connection: QueueConnection
  /** Reasons are counted by paging, so only when dead letters have come or gone. */
  readonly #counted = new Map<string, CountedReasons>()

  constructor(connection: QueueConnection) {
    this.#connection = connection
  }

  async read(): Promise<QueueStats[]> {
    const handlers = await registeredHandlers(this.#connection)
    return await Promise.all([null, ...handlers].map((handler) => this.#readQueue(handler)))
  }

  async #readQueue(handler: string | null): Promise<QueueStats> {
    const { redis, prefix } = this.#connection
    const queue = handler === null ? INBOX_QUEUE : handlerQueueName(handler)
    const key = (name: string) => queueKey(prefix, handler) + name
    const [waiting, active, delayed, completed, failed, oldestId, newestDead, paused] = await Promise.all([
      redis.llen(key(STATES.waiting)),
      redis.llen(key(STATES.active)),
      redis.zcard(key(STATES.delayed)),
      redis.zcard(key(STATES.completed)),
      redis.zcard(key(STATES.failed)),
      redis.lindex(key(STATES.waiting), -1),
      redis.zrange(key(STATES.failed), '-1', '-1'),
      redis.hexists(key('meta'), 'paused'),
    ])
    const addedAt = oldestId === null ? null : await redis.hget(key(oldestId), 'timestamp')
    const fingerprint = `${failed} ${newestDead[0]}`
    return {
      queue,
      handler,
      isPaused: paused === 1,
      jobs: { waiting, active, delayed, completed, failed },
      oldestSeconds: addedAt === null ? 0 : Math.max(0, (Date.now() - Number(addedAt)) / 1000),
      deadLetters: await this.#countReasons(queue, failed, fingerprint),
    }
  }

  async #countReasons(
    queue: string,
    failed: number,
    fingerprint: string,
  ): Promise<Map<FailureReason, number>> {
    const before = this.#counted.get(queue)
    const isCurrent = before?.fingerprint === fingerprint
    const isRecent = failed > QUICK_COUNT && Date.now() - (before?.countedAt ?? 0) < RECOUNT_AFTER_MS
    if (before !== undefined && (isCurrent || isRecent)) return before.counts
    const { redis, prefix } = this.#connection
    const counts = new Map<FailureReason, number>()
    for (let start = 0; start < failed; start += PAGE) {
      const ids = await redis.zrange(`${prefix}:${queue}:failed`, String(start), String(start + PAGE - 1))
      const texts = await Promise.all(ids.map((id) => redis.hget(`${prefix}:${queue}:${id}`, 'failedReason')))
      for (const text of texts) {
        const reason = reasonOf(text)
        counts.set(reason, (counts.get(reason) ?? 0) + 1)
      }
    }
    this.#counted.set(queue, { fingerprint, countedAt: Date.now(), counts })
    return counts
  }
}
