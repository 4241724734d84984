import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../log.ts'
import { errorCode } from '../errors.ts'

const RECONNECT_MAX_MS = 1000

/**
 * The connection of the accept path: it refuses at once instead of queueing, and gives up on a Redis that hangs.
 * A command cut off with its connection is sent once more, which is safe because a job id is used only once.
 */
export function connectForAccepting(url: string, answerWithinMs: number, log: Logger): Redis {
  return connect(url, log, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: answerWithinMs,
    // Longer than a command may take: it ends a black-holed socket, so that later requests are refused at once.
    socketTimeout: answerWithinMs + 500,
    connectTimeout: 2000,
  })
}

const gathering = new WeakSet<object>()

/**
 * Hands what is sent to Redis from now on to the system in one call, when this turn of the event loop ends: a tenth of
 * the time of accepting. ioredis' own pipelining does so too, at half the gain.
 */
export function gatherCommands({ stream }: Redis): void {
  if (gathering.has(stream)) return
  gathering.add(stream)
  stream.cork()
  setImmediate(() => {
    gathering.delete(stream)
    stream.uncork()
  })
}

/**
 * The connection of workers and tools: it waits for Redis as long as it takes. A time limit here would make
 * BullMQ take a finished job for a failed one.
 */
export function connectForWorking(url: string, log: Logger): Redis {
  return connect(url, log, { maxRetriesPerRequest: null })
}

function connect(url: string, log: Logger, options: Omit<RedisOptions, 'replyMapping'>): Redis {
  const shared = {
    keepAlive: 10_000,
    // BullMQ's own strategy waits up to 20 s after Redis is back.
    retryStrategy: (times: number) => Math.min(times * 100, RECONNECT_MAX_MS),
    // After a failover: leave the demoted primary, and let BullMQ's caller try again.
    reconnectOnError: (error: Error) =>
      error.message.startsWith('READONLY') ? (1 as const) : (false as const),
    maxLoadingRetryTime: 500,
    ...options,
  }
  // ioredis takes a path where it takes an address, but not with the scheme.
  const redis = new Redis(url.replace(/^unix:\/\//, ''), shared)
  reportErrors(redis, log)
  return redis
}

/** One line when the connection is lost and one when it is back, instead of one per attempt. */
function reportErrors(redis: Redis, log: Logger): void {
  let lastCode: string | undefined
  redis.on('error', (error: Error) => {
    const code = errorCode(error) ?? error.message.split(' ', 1)[0] ?? 'unknown'
    if (code !== lastCode) log.error({ code }, 'Redis cannot be used')
    lastCode = code
  })
  redis.on('ready', () => {
    if (lastCode !== undefined) log.info('Redis is back')
    lastCode = undefined
  })
}
