import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Logger } from '../log.ts'
import type { PayloadKeys } from './payload-keys.ts'

export const INBOX_QUEUE = 'inbox'

export function handlerQueueName(handler: string): string {
  return `handler-${handler}`
}

/** What the keys of a queue begin with, those of its jobs too; `null`: the inbox. */
export function queueKey(prefix: string, handler: string | null): string {
  return `${prefix}:${handler === null ? INBOX_QUEUE : handlerQueueName(handler)}:`
}

export interface QueueConnection {
  readonly redis: Redis
  /** Of every key in Redis. */
  readonly prefix: string
  /** Of what is stored sealed. */
  readonly keys: PayloadKeys
  readonly log: Logger
}

/** BullMQ keeps a stream of events per queue that nobody here reads; it cannot be switched off, only kept short. */
const EVENT_STREAM_LENGTH = 100

export function openQueue(
  name: string,
  { redis, prefix, log }: Pick<QueueConnection, 'redis' | 'prefix' | 'log'>,
): Queue {
  const queue = new Queue(name, {
    connection: redis,
    prefix,
    // Its INFO at start would, failing once, leave the queue unusable until the process ends.
    skipVersionCheck: true,
    streams: { events: { maxLen: EVENT_STREAM_LENGTH } },
  })
  queue.on('error', (error) => log.debug({ err: error, queue: name }, 'queue error'))
  return queue
}

export interface NewJob {
  readonly jobId: string
  readonly name: string
  /** JSON. */
  readonly data: string | Buffer
  readonly deduplication?: { readonly id: string; readonly ttl: number }
}

/**
 * What `queue.add` does, without the object it makes of each job and the options it stores that say nothing. Returns
 * the id of the job, or of the first one with the same deduplication id.
 */
export async function addJob(queue: Queue, { jobId, name, data, deduplication }: NewJob): Promise<string> {
  const deduplicated = deduplication && { opts: { deduplication }, deduplicationId: deduplication.id }
  // Its type asks for a string; what it gets goes to Redis as it is.
  const job = { ...FRESH_JOB, id: jobId, name, data: data as string, timestamp: Date.now(), ...deduplicated }
  return await queue.backend.addJob(job, jobId)
}

/** What the type of BullMQ asks for, and its script does not read. */
const FRESH_JOB = {
  opts: {},
  progress: 0,
  attemptsMade: 0,
  attemptsStarted: 0,
  stalledCounter: 0,
  failedReason: '',
  returnvalue: '',
}

/**
 * The job of one handler: the body stays in the inbox, under the same id, and so do its metadata. Its name says
 * nothing, and its data are the length of the body: each costs Redis its bytes for every handler of every delivery.
 */
export function handlerJob(jobId: string, bytes: number): NewJob {
  return { jobId, name: 'run', data: String(bytes) }
}

/** The length of the body as the data of a handler's job tell it. */
export function bodyLengthOf(data: unknown): number {
  return typeof data === 'number' ? data : 0
}

/** How often a job was replayed by hand; kept as its progress, which attempts and restarts leave alone. */
export function replayCount(progress: unknown): number {
  const replay =
    typeof progress === 'object' && progress !== null && 'replay' in progress ? progress.replay : 0
  return typeof replay === 'number' ? replay : 0
}

const registryKey = (prefix: string) => `${prefix}:handlers`

/** Remembers the names of handlers, so that tools find their queues without loading anybody's code. */
export function registerHandlers({ redis, prefix, log }: QueueConnection, names: readonly string[]): void {
  if (names.length === 0) return
  redis
    .sadd(registryKey(prefix), ...names)
    .catch((error: unknown) => log.warn({ err: error }, 'handlers not registered'))
}

/** The names of all handlers that ever ran on this Redis, in alphabetical order. */
export async function registeredHandlers({ redis, prefix }: QueueConnection): Promise<string[]> {
  return (await redis.smembers(registryKey(prefix))).toSorted()
}
