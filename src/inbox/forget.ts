import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { decodeMetadata, type DecodedMetadata } from './envelope.ts'
import { LISTED_STATES, pagesOfJobIds } from './listed-jobs.ts'
import { handlerQueueName, INBOX_QUEUE, registeredHandlers, type QueueConnection } from './queues.ts'

const POLL_MS = 100
const REWRITE_WITHIN_MS = 10 * 60_000

/**
 * Removes one job from whatever state it is in, unless it runs. KEYS: the active list. ARGV: job id, prefix of keys.
 * Returns -1 when it runs, else how many keys of it there were.
 */
const ERASE = `
local active = redis.call('LRANGE', KEYS[1], 0, -1)
for _, id in ipairs(active) do
  if id == ARGV[1] then return -1 end
end
for _, list in ipairs({ 'wait', 'paused' }) do redis.call('LREM', ARGV[2] .. list, 0, ARGV[1]) end
for _, set in ipairs({ 'delayed', 'completed', 'failed', 'prioritized' }) do
  redis.call('ZREM', ARGV[2] .. set, ARGV[1])
end
redis.call('SREM', ARGV[2] .. 'stalled', ARGV[1])
local key = ARGV[2] .. ARGV[1]
return redis.call('DEL', key, key .. ':lock', key .. ':logs')`

export interface Forgotten {
  /** Deliveries that were erased. */
  readonly erased: number
  /** Job ids of deliveries that a handler is working on, and that are left as they are. */
  readonly running: readonly string[]
  /** Whether Redis has rewritten its file, so that the bytes are gone from the disk too. */
  readonly rewritten: boolean
}

/**
 * Erases every delivery with this id of the provider, its body and all that queues hold about it. Dedupe keys stay:
 * they are digests, and without them the next retry would bring the body back.
 */
export async function forget(connection: QueueConnection, id: string): Promise<Forgotten> {
  const { redis, prefix } = connection
  const handlers = await registeredHandlers(connection)
  const queues = [...handlers.map(handlerQueueName), INBOX_QUEUE].map((name) => `${prefix}:${name}:`)
  let erased = 0
  const running: string[] = []
  for (const jobId of await deliveriesWith(connection, id)) {
    // Handlers first: as long as one runs, the body is still needed.
    let isRunning = false
    for (const queue of queues) {
      if (isRunning) break
      isRunning = (await redis.eval(ERASE, 1, `${queue}active`, jobId, queue)) === -1
    }
    if (isRunning) running.push(jobId)
    else erased += 1
  }
  // The streams of events name the deliveries that were added, and quote why some failed.
  for (const queue of queues) await redis.xtrim(`${queue}events`, 'MAXLEN', 0)
  return { erased, running, rewritten: erased > 0 && (await rewriteFile(redis)) }
}

async function deliveriesWith(connection: QueueConnection, id: string): Promise<string[]> {
  const { redis, prefix } = connection
  const found: string[] = []
  for (const state of LISTED_STATES) {
    for await (const jobIds of pagesOfJobIds(connection, null, state)) {
      const names = await Promise.all(
        jobIds.map((jobId) => redis.hget(`${prefix}:${INBOX_QUEUE}:${jobId}`, 'name')),
      )
      const decoded = names.map((name) => decodeMetadata(name ?? ''))
      found.push(...jobIds.filter((_jobId, index) => idIn(decoded[index]) === id))
    }
  }
  return found
}

function idIn(decoded: DecodedMetadata | undefined): string | null {
  return decoded?.ok === true ? decoded.metadata.id : null
}

/** False when Redis may not, or does not, rewrite; then the bytes stay until it does so by itself. */
async function rewriteFile(redis: Redis): Promise<boolean> {
  const deadline = Date.now() + REWRITE_WITHIN_MS
  let asked = false
  while (Date.now() < deadline) {
    const info = await redis.info('persistence')
    const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
    if (field('aof_enabled') !== '1') return false
    const isBusy = field('aof_rewrite_in_progress') === '1' || field('aof_rewrite_scheduled') === '1'
    if (!isBusy && asked) return field('aof_last_bgrewrite_status') === 'ok'
    if (!isBusy) {
      try {
        await redis.bgrewriteaof()
      } catch {
        return false
      }
      asked = true
    }
    await sleep(POLL_MS)
  }
  return false
}
