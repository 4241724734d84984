import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { handlerQueueName, INBOX_QUEUE, registeredHandlers, type QueueConnection } from './queues.ts'
import { readRedisInfo } from './redis-info.ts'

const TICK_MS = 5000
/** What is too old is gone within a minute. */
const AGE_SWEEP_EVERY_TICKS = 6
/** Above this share of Redis' memory completed deliveries go before their time; webhooks are refused from 0.8. */
const PRESSURE_MARK = 0.6
/** Jobs looked at in one call, which holds up Redis for about a millisecond. */
const STEP = 200
const PAUSE_MS = 5

/**
 * Removes ended jobs from a set, oldest first, without touching dedupe keys, as BullMQ's own removal would. A
 * delivery goes with the jobs that handlers completed for it, and stays as long as one is unfinished or dead.
 * Which handlers it was given to is told by its return value, also when the registry of handlers was lost.
 * KEYS: the set. ARGV: prefix of its job keys, latest end, offset, limit, what the keys of handlers begin with
 * (empty: it is a handler's set), then the prefix of the job keys of each handler that is known.
 * Returns how many jobs were looked at and how many were removed.
 */
const REMOVE_ENDED = `
local latestEnd = tonumber(ARGV[2])
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', latestEnd, 'LIMIT', ARGV[3], ARGV[4])
local removed = 0
for _, id in ipairs(ids) do
  local held = false
  local queues = { unpack(ARGV, 6) }
  if ARGV[5] ~= '' then
    local known, names = pcall(cjson.decode, redis.call('HGET', ARGV[1] .. id, 'returnvalue') or '[]')
    for _, name in ipairs(known and type(names) == 'table' and names or {}) do
      table.insert(queues, ARGV[5] .. name .. ':')
    end
  end
  for _, queue in ipairs(queues) do
    if redis.call('EXISTS', queue .. id) == 1 then
      local ended = redis.call('ZSCORE', queue .. 'completed', id)
      if not ended or tonumber(ended) > latestEnd then held = true break end
    end
  end
  if not held then
    for _, queue in ipairs(queues) do
      redis.call('ZREM', queue .. 'completed', id)
      redis.call('UNLINK', queue .. id)
    end
    redis.call('ZREM', KEYS[1], id)
    redis.call('UNLINK', ARGV[1] .. id)
    removed = removed + 1
  end
end
return { #ids, removed }`

export interface SweepLimits {
  /** How long completed deliveries are kept. */
  readonly keepCompletedMs: number
  /** How long dead letters are kept. */
  readonly keepDeadMs: number
}

/**
 * Keeps retention, also on a quiet system: BullMQ trims a queue only when another job finishes. Several workers may
 * sweep one Redis.
 */
export function startSweep(connection: QueueConnection, limits: SweepLimits): { stop(): void } {
  const { redis, log } = connection
  let ticks = 0
  let sweeping = false
  let stopped = false
  const isStopped = () => stopped

  async function tick(): Promise<void> {
    ticks += 1
    if (await isUnderPressure(redis)) {
      const removed = await sweepUnderPressure(connection, isStopped)
      log.warn({ removed }, 'Redis is filling up; completed deliveries went before their time')
    }
    if (ticks % AGE_SWEEP_EVERY_TICKS === 0) {
      const removed = await sweepByAge(connection, limits, isStopped)
      if (removed > 0) log.debug({ removed }, 'swept')
    }
  }

  const timer = setInterval(() => {
    if (sweeping || redis.status !== 'ready') return
    sweeping = true
    tick()
      .catch((error: unknown) => log.warn({ err: error }, 'the sweep failed; it is tried again'))
      .finally(() => {
        sweeping = false
      })
  }, TICK_MS)
  return {
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}

/** Removes what is older than the limits and returns how many jobs that were. */
export async function sweepByAge(
  connection: QueueConnection,
  { keepCompletedMs, keepDeadMs }: SweepLimits,
  isStopped: () => boolean | Promise<boolean> = () => false,
): Promise<number> {
  const handlers = await registeredHandlers(connection)
  let removed = 0
  // Handlers first: a delivery can go once no handler has a job for it.
  for (const queue of [...handlers.map(handlerQueueName), INBOX_QUEUE]) {
    const completed = { queue, state: 'completed', latestEnd: Date.now() - keepCompletedMs } as const
    const dead = { queue, state: 'failed', latestEnd: Date.now() - keepDeadMs } as const
    removed += await removeAll(connection, completed, isStopped)
    removed += await removeAll(connection, dead, isStopped)
  }
  return removed
}

/** Removes completed deliveries, oldest first, until Redis has room again, and returns how many that were. */
export async function sweepUnderPressure(
  connection: QueueConnection,
  isStopped: () => boolean = () => false,
): Promise<number> {
  const everything = { queue: INBOX_QUEUE, state: 'completed', latestEnd: Date.now() } as const
  return await removeAll(
    connection,
    everything,
    async () => isStopped() || !(await isUnderPressure(connection.redis)),
  )
}

interface EndedJobs {
  readonly queue: string
  readonly state: 'completed' | 'failed'
  /** Unix milliseconds. */
  readonly latestEnd: number
}

async function removeAll(
  connection: QueueConnection,
  jobs: EndedJobs,
  isOver: () => boolean | Promise<boolean>,
): Promise<number> {
  const { redis, prefix } = connection
  const jobKeys = (queue: string) => `${prefix}:${queue}:`
  const own = jobKeys(jobs.queue)
  const isInbox = jobs.queue === INBOX_QUEUE
  const handlers = isInbox ? await registeredHandlers(connection) : []
  const handlerKeys = handlers.map((handler) => jobKeys(handlerQueueName(handler)))
  let offset = 0
  let removed = 0
  while (!(await isOver())) {
    const ofHandlers = isInbox ? `${prefix}:${handlerQueueName('')}` : ''
    const args = [own, jobs.latestEnd, offset, STEP, ofHandlers, ...handlerKeys]
    const [looked = 0, gone = 0] = (await redis.eval(REMOVE_ENDED, 1, own + jobs.state, ...args)) as number[]
    removed += gone
    offset += looked - gone
    if (looked < STEP) break
    await sleep(PAUSE_MS)
  }
  return removed
}

async function isUnderPressure(redis: Redis): Promise<boolean> {
  const { usedBytes, limitBytes } = await readRedisInfo(redis)
  return usedBytes / limitBytes > PRESSURE_MARK
}
