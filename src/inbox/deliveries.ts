import { Job, type JobState, type Queue } from 'bullmq'
import { readDelivery } from './delivery-reader.ts'
import { decodeMetadata, type Metadata } from './envelope.ts'
import { readJobDetails, type JobDetails } from './job-details.ts'
import {
  addJob,
  handlerJob,
  handlerQueueName,
  INBOX_QUEUE,
  openQueue,
  queueKey,
  registeredHandlers,
  type QueueConnection,
} from './queues.ts'
import { runAgain, type RunAgainResult } from './run-again.ts'

export interface DeliveryDetails {
  readonly jobId: string
  /** `null` when this release cannot read them. */
  readonly metadata: Metadata | null
  readonly jobs: readonly JobDetails[]
}

/** `dead`: the handlers that gave up; `all`: every handler that had it; or handlers by name, also new ones. */
export type ReplayTarget = 'dead' | 'all' | readonly string[]

export interface ReplayResult {
  /** `null`: the delivery itself, which is dispatched anew. */
  readonly handler: string | null
  /** `now`: it was waiting for its next attempt and runs at once. `busy`: it waits or runs already. */
  readonly result: RunAgainResult | 'now'
}

const JOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{16}$/
const DELIVERY_ID = /^[0-9a-f]{64}$/

/** Looks into deliveries and acts on them. Never removes a dedupe key: what was handled stays known as handled. */
export class Deliveries {
  readonly #connection: QueueConnection
  readonly #queues = new Map<string, Queue>()

  constructor(connection: QueueConnection) {
    this.#connection = connection
  }

  /** The handlers that ever ran here. */
  handlers(): Promise<string[]> {
    return registeredHandlers(this.#connection)
  }

  /** The job id that a job id or a delivery id stands for; `undefined` when it is neither, or gone. */
  async find(text: string): Promise<string | undefined> {
    const { redis, prefix } = this.#connection
    const inbox = queueKey(prefix, null)
    const named = DELIVERY_ID.test(text) ? await redis.get(`${inbox}de:${text}`) : null
    const jobId = JOB_ID.test(text) ? text : named
    return jobId !== null && (await redis.exists(inbox + jobId)) === 1 ? jobId : undefined
  }

  /** `undefined` when it is gone from the inbox. */
  async show(jobId: string): Promise<DeliveryDetails | undefined> {
    const inbox = await readJobDetails(this.#connection, this.#queue(null), jobId, null)
    if (inbox === undefined) return undefined
    const handlers = await this.handlers()
    const jobs = await Promise.all(
      handlers.map((handler) => readJobDetails(this.#connection, this.#queue(handler), jobId, handler)),
    )
    return {
      jobId,
      metadata: (await this.#metadata(jobId)) ?? null,
      jobs: [inbox, ...jobs.filter((job) => job !== undefined)],
    }
  }

  /** The exact bytes as received, or why they cannot be read. */
  async body(jobId: string): Promise<{ rawBody: Buffer } | { problem: string }> {
    const read = await readDelivery(this.#connection, jobId)
    return read.ok ? { rawBody: read.delivery.rawBody } : { problem: read.problem }
  }

  /** Lets handlers see a delivery again, each with its whole number of attempts. */
  async replay(jobId: string, target: ReplayTarget): Promise<ReplayResult[]> {
    const state = await this.#queue(null).getJobState(jobId)
    if (state === 'failed') return [await this.replayDead(jobId, null)]
    if (state !== 'completed') return [{ handler: null, result: state === 'unknown' ? 'gone' : 'busy' }]

    const results: ReplayResult[] = []
    for (const handler of typeof target === 'string' ? await this.handlers() : target) {
      const handlerState = await this.#queue(handler).getJobState(jobId)
      const isMeant =
        target === 'dead' ? handlerState === 'failed' : target !== 'all' || handlerState !== 'unknown'
      if (isMeant) results.push({ handler, result: await this.#runAgain(handler, jobId, handlerState) })
    }
    return results
  }

  /** The same for one dead letter, and only if it still is one. */
  async replayDead(jobId: string, handler: string | null): Promise<ReplayResult> {
    return { handler, result: await runAgain(this.#connection, handler, jobId, 'failed') }
  }

  /** Whether nothing is known of any delivery with this handler: it is new here. */
  async isNew(handler: string): Promise<boolean> {
    const { redis, prefix } = this.#connection
    const key = queueKey(prefix, handler)
    const known = ['wait', 'active', 'delayed', 'completed', 'failed'].map((state) => key + state)
    return (await redis.exists(...known)) === 0
  }

  /** Whether a handler never had a delivery, or gave it up. */
  async canFeed(jobId: string, handler: string): Promise<boolean> {
    const state = await this.#queue(handler).getJobState(jobId)
    return state === 'unknown' || state === 'failed'
  }

  /** Gives a handler a dispatched delivery that it never had, or gave up; `busy` when it has or had it. */
  async feed(jobId: string, handler: string): Promise<ReplayResult> {
    const state = await this.#queue(handler).getJobState(jobId)
    const isMeant = state === 'unknown' || state === 'failed'
    return { handler, result: isMeant ? await this.#runAgain(handler, jobId, state) : 'busy' }
  }

  /** Removes a dead letter for good; false when it is none, or when a handler still needs the body. */
  async discard(jobId: string, handler: string | null): Promise<boolean> {
    const { redis, prefix } = this.#connection
    const queue = queueKey(prefix, handler)
    const handlers = handler === null ? await this.handlers() : []
    const handlerQueues = handlers.map((name) => queueKey(prefix, name))
    const keys = [`${queue}failed`, queue + jobId]
    return (await redis.eval(REMOVE_DEAD, keys.length, ...keys, jobId, ...handlerQueues)) === 1
  }

  async #runAgain(
    handler: string,
    jobId: string,
    state: JobState | 'unknown',
  ): Promise<ReplayResult['result']> {
    const queue = this.#queue(handler)
    if (state === 'failed' || state === 'completed')
      return await runAgain(this.#connection, handler, jobId, state)
    if (state === 'unknown') {
      const metadata = await this.#metadata(jobId)
      if (metadata === undefined) return 'gone'
      await addJob(queue, handlerJob(jobId, metadata.bytes))
      return 'replayed'
    }
    if (state !== 'delayed') return 'busy'
    try {
      await (await Job.fromId(queue, jobId))?.promote()
      return 'now'
    } catch (error) {
      // BullMQ's own numbers, for a job that has begun to run meanwhile; anything else is Redis.
      if (error instanceof Error && 'code' in error && typeof error.code === 'number') return 'busy'
      throw error
    }
  }

  /** `undefined` when the delivery is gone, or this release cannot read them. */
  async #metadata(jobId: string): Promise<Metadata | undefined> {
    const { redis, prefix } = this.#connection
    const name = await redis.hget(queueKey(prefix, null) + jobId, 'name')
    const decoded = name === null ? undefined : decodeMetadata(name)
    return decoded?.ok === true ? decoded.metadata : undefined
  }

  #queue(handler: string | null): Queue {
    const name = handler === null ? INBOX_QUEUE : handlerQueueName(handler)
    const open = this.#queues.get(name) ?? openQueue(name, this.#connection)
    this.#queues.set(name, open)
    return open
  }
}

/** KEYS: the failed set, the job. ARGV: job id, for one of the inbox also the key of each handler's queue. */
const REMOVE_DEAD = `
for i = 2, #ARGV do
  local ended = redis.call('ZSCORE', ARGV[i] .. 'completed', ARGV[1])
  if not ended and redis.call('EXISTS', ARGV[i] .. ARGV[1]) == 1 then return 0 end
end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('UNLINK', KEYS[2])
return 1`
