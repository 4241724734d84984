import { InvalidArgumentError, type Command } from 'commander'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { loadStoreSettings } from '../config.ts'
import { errorCode, StartError } from '../errors.ts'
import { Deliveries } from '../inbox/deliveries.ts'
import { embeddedSocketPath } from '../inbox/embedded-redis.ts'
import type { QueueConnection } from '../inbox/queues.ts'
import { connectForAccepting } from '../inbox/redis-connection.ts'
import { watchPayloadKeys } from '../watch-secrets.ts'
import { USED_WRONGLY } from './command-context.ts'
import { escapeText } from './escape-text.ts'

/** With what it takes to start and to hang up, under 5 s. */
const READY_WITHIN_MS = 2500
/** Of a single command; none of these tools sends one that takes long. */
const ANSWER_WITHIN_MS = 5000
const REASON_CHARACTERS = 200
const NOBODY_THERE = new Set(['ENOENT', 'ECONNREFUSED'])

export interface OpenDeliveries {
  readonly connection: QueueConnection
  readonly deliveries: Deliveries
}

/**
 * Runs `work` with the deliveries of a service with the same settings, and closes everything after it.
 * @throws StartError that says what to do when Redis cannot be used, before the work or in its midst
 */
export async function useDeliveries(
  environment: NodeJS.ProcessEnv,
  work: (open: OpenDeliveries) => Promise<void>,
): Promise<void> {
  const { redisUrl, redisPrefix: prefix, dataDir, payloadKeys } = loadStoreSettings(environment)
  // What a library has to say about a lost connection is said by the error.
  const log = pino({ level: 'silent' })
  const url = redisUrl ?? `unix://${embeddedSocketPath(dataDir)}`
  const redis = connectForAccepting(url, ANSWER_WITHIN_MS, log)
  // Whoever reads the output may have seen enough, as `head` does.
  process.stdout.on('error', ignoreClosedPipe)
  try {
    await untilReady(redis).catch((error: unknown) => {
      const isAbsent = redisUrl === undefined && NOBODY_THERE.has(errorCode(error) ?? '')
      throw isAbsent ? noServiceError(dataDir, error) : unreachableError(url, error)
    })
    const connection = { redis, prefix, keys: watchPayloadKeys(payloadKeys, log), log }
    await work({ connection, deliveries: new Deliveries(connection) })
  } catch (error) {
    throw isOfRedis(error, redis) ? interruptedError(error) : error
  } finally {
    redis.disconnect()
  }
}

/** Runs the action of a command, and ends it with exit code 2 when it was asked for something that cannot be. */
export async function reportWrongUse(command: Command, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    command.error(`error: ${error.message}`, { exitCode: USED_WRONGLY })
  }
}

async function untilReady(redis: Redis): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error('no answer')), READY_WITHIN_MS)
  redis.once('ready', resolve)
  redis.once('error', reject)
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}

function noServiceError(dataDir: string, cause: unknown): StartError {
  const text = `no service runs on ${dataDir}; start it with npm start, or set REDIS_URL`
  return new StartError('CALLCOV_REDIS', text, { cause })
}

/** Names the address without the password that may stand in it. */
function unreachableError(url: string, cause: unknown): StartError {
  const { protocol, host, pathname } = new URL(url)
  const address = protocol === 'unix:' ? pathname : host
  const text = `The Redis at ${address} cannot be used: ${reasonOf(cause)}`
  return new StartError('CALLCOV_REDIS', text, { cause })
}

function interruptedError(cause: unknown): StartError {
  const text = `Redis could not go on: ${reasonOf(cause)}\nWhat was done until then stays done; run the command again for the rest.`
  return new StartError('CALLCOV_REDIS', text, { cause })
}

function reasonOf(error: unknown): string {
  const text = errorCode(error) ?? (error instanceof Error ? error.message : 'unknown error')
  return escapeText(text, REASON_CHARACTERS)
}

/** An error reply of Redis, or any error once the connection is lost. */
function isOfRedis(error: unknown, redis: Redis): boolean {
  if (error instanceof StartError || error instanceof InvalidArgumentError) return false
  const isReply =
    error instanceof Error && /^(ReplyError|MaxRetriesPerRequestError|AbortError)$/.test(error.name)
  return (
    isReply || redis.status !== 'ready' || (error instanceof Error && error.message === 'Command timed out')
  )
}

function ignoreClosedPipe(error: Error): void {
  if (errorCode(error) !== 'EPIPE') throw error
}
