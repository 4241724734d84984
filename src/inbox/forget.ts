import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { deliveriesOf } from './deliveries-of.ts'
import { queueKey, registeredHandlers, type QueueConnection } from './queues.ts'

const POLL_MS = 100
const REWRITE_WITHIN_MS = 10 * 60_000

/**
 * Removes one delivery from every queue and whatever state it is in, or from none while one of them runs it.
 * ARGV: job id, what the keys of each queue begin with. Returns -1 when it runs, else how many keys of it there were.
 */
const ERASE = `
for i = 2, #ARGV do
  for _, id in ipairs(redis.call('LRANGE', ARGV[i] .. 'active', 0, -1)) do
    if id == ARGV[1] then return -1 end
  end
end
local erased = 0
for i = 2, #ARGV do
  for _, list in ipairs({ 'wait', 'paused' }) do redis.call('LREM', ARGV[i] .. list, 0, ARGV[1]) end
  for _, set in ipairs({ 'delayed', 'completed', 'failed', 'prioritized' }) do
    redis.call('ZREM', ARGV[i] .. set, ARGV[1])
  end
  redis.call('SREM', ARGV[i] .. 'stalled', ARGV[1])
  local job = ARGV[i] .. ARGV[1]
  erased = erased + redis.call('DEL', job, job .. ':lock', job .. ':logs')
end
return erased`

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
  const queues = [...(await registeredHandlers(connection)), null].map((handler) => queueKey(prefix, handler))
  let erased = 0
  const running: string[] = []
  for (const jobId of (await deliveriesOf(connection, [id])).get(id) ?? []) {
    const keys = Number(await redis.eval(ERASE, 0, jobId, ...queues))
    if (keys > 0) erased += 1
    else if (keys < 0) running.push(jobId)
  }
  // The streams of events name the deliveries that were added, and quote why some failed.
  for (const queue of queues) await redis.xtrim(`${queue}events`, 'MAXLEN', 0)
  // Also when nothing was left to erase: the file may still hold what the sweep has removed.
  return { erased, running, rewritten: running.length === 0 && (await rewriteFile(redis)) }
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
