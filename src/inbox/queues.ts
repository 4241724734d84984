import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Logger } from '../log.ts'

export const INBOX_QUEUE = 'inbox'

export function handlerQueueName(handler: string): string {
  return `handler-${handler}`
}

export interface QueueConnection {
  readonly redis: Redis
  /** Of every key in Redis. */
  readonly prefix: string
  readonly log: Logger
}

/** BullMQ keeps a stream of events per queue that nobody here reads; it cannot be switched off, only kept short. */
const EVENT_STREAM_LENGTH = 100

export function openQueue(name: string, { redis, prefix, log }: QueueConnection): Queue {
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
