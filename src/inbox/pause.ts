import { handlerQueueName, openQueue, queueKey, registeredHandlers, type QueueConnection } from './queues.ts'

export interface PauseResult {
  /** False when it was so already. */
  readonly changed: boolean
  /** Jobs that wait for the handler, those that wait for their next attempt included. */
  readonly waiting: number
}

/**
 * Lets workers take no more jobs of a handler, or take them again. It is kept in Redis, so that it outlives every
 * process; what runs ends, and what waits is kept.
 */
export async function setPaused(
  connection: QueueConnection,
  handler: string,
  isPaused: boolean,
): Promise<PauseResult> {
  const { redis, prefix } = connection
  const queue = openQueue(handlerQueueName(handler), connection)
  const changed = (await queue.isPaused()) !== isPaused
  if (isPaused) await queue.pause()
  else await queue.resume()
  const key = queueKey(prefix, handler)
  // BullMQ leaves the jobs of a paused queue where they wait.
  const counts = await Promise.all([redis.llen(`${key}wait`), redis.zcard(`${key}delayed`)])
  return { changed, waiting: counts[0] + counts[1] }
}

/** The handlers that are paused, in alphabetical order. */
export async function pausedHandlers(connection: QueueConnection): Promise<string[]> {
  const { redis, prefix } = connection
  const handlers = await registeredHandlers(connection)
  const marks = await Promise.all(
    handlers.map((handler) => redis.hexists(pauseKey(prefix, handler), 'paused')),
  )
  return handlers.filter((_handler, index) => marks[index] === 1)
}

/** The hash of BullMQ whose field `paused` says so. */
function pauseKey(prefix: string, handler: string): string {
  return `${queueKey(prefix, handler)}meta`
}
