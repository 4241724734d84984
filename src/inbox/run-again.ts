import { queueKey, type QueueConnection } from './queues.ts'

/** Where the hash of a job counts the runs that took their worker along. */
export const CRASHES_FIELD = 'crashes'

/** `busy`: it has left that state. `gone`: its body has, so that no run could read it. */
export type RunAgainResult = 'replayed' | 'busy' | 'gone'

/**
 * What BullMQ's own `retry` does, in one step with what must not come apart from it: two people at once let a job
 * run once, the replay is counted before a worker can take the job, and crashes of before are forgotten, which
 * would make it a suspect, or a dead letter, at once. The body is never loaded.
 * KEYS: the set, the job, waiting jobs, the marker that wakes workers, the job in the inbox. ARGV: job id.
 */
const RUN_AGAIN = `
if redis.call('EXISTS', KEYS[5]) == 0 or redis.call('EXISTS', KEYS[2]) == 0 then return 'gone' end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 'busy' end
local known, progress = pcall(cjson.decode, redis.call('HGET', KEYS[2], 'progress') or '0')
local replays = known and type(progress) == 'table' and tonumber(progress.replay) or 0
redis.call('HSET', KEYS[2], 'progress', cjson.encode({ replay = replays + 1 }))
redis.call('HDEL', KEYS[2], 'finishedOn', 'processedOn', 'returnvalue', 'failedReason', 'stacktrace')
redis.call('HDEL', KEYS[2], 'atm', 'ats', 'stc', '${CRASHES_FIELD}')
redis.call('LPUSH', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], 0, '0')
return 'replayed'`

/** Lets a job that has ended run once more, behind those that wait, with its whole number of attempts. */
export async function runAgain(
  { redis, prefix }: QueueConnection,
  handler: string | null,
  jobId: string,
  from: 'failed' | 'completed',
): Promise<RunAgainResult> {
  const queue = queueKey(prefix, handler)
  const inboxJob = queueKey(prefix, null) + jobId
  const keys = [queue + from, queue + jobId, `${queue}wait`, `${queue}marker`, inboxJob]
  return (await redis.eval(RUN_AGAIN, keys.length, ...keys, jobId)) as RunAgainResult
}
