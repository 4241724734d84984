import { Job, type JobState, type Queue } from 'bullmq'
import { readDelivery } from './delivery-reader.ts'
import { decodeMetadata, type Metadata } from './envelope.ts'
import {
  handlerJob,
  handlerQueueName,
  INBOX_QUEUE,
  nextReplay,
  openQueue,
  registeredHandlers,
  replayCount,
  type QueueConnection,
} from './queues.ts'

/** What a delivery has come to, in the inbox or with one handler. */
export interface JobDetails {
  /** `null`: the inbox. */
  readonly handler: string | null
  readonly state: JobState | 'unknown'
  readonly attempts: number
  readonly replays: number
  readonly failure: string | null
  /** Where in the handler's code it failed. */
  readonly stack: string | null
  readonly endedAt: number | null
}

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
  readonly result: 'replayed' | 'now' | 'busy'
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

  /**
   * The job ids that a person may mean: a job id itself, a delivery id, or the first delivery under one of the
   * given delivery ids, which the caller derives from an id of the provider.
   */
  async find(text: string, deliveryIds: readonly string[]): Promise<string[]> {
    const { redis, prefix } = this.#connection
    const ids = DELIVERY_ID.test(text) ? [text, ...deliveryIds] : deliveryIds
    const first = await Promise.all(ids.map((id) => redis.get(`${prefix}:${INBOX_QUEUE}:de:${id}`)))
    const candidates = [...(JOB_ID.test(text) ? [text] : []), ...first.filter((jobId) => jobId !== null)]
    const known = await Promise.all(
      candidates.map((jobId) => redis.exists(`${prefix}:${INBOX_QUEUE}:${jobId}`)),
    )
    return candidates.filter((_jobId, index) => known[index] === 1)
  }

  /** `undefined` when it is gone from the inbox. */
  async show(jobId: string): Promise<DeliveryDetails | undefined> {
    const inbox = await this.#details(null, jobId)
    if (inbox === undefined) return undefined
    const handlers = await this.handlers()
    const jobs = await Promise.all(handlers.map((handler) => this.#details(handler, jobId)))
    const { redis, prefix } = this.#connection
    const decoded = decodeMetadata((await redis.hget(`${prefix}:${INBOX_QUEUE}:${jobId}`, 'name')) ?? '')
    return {
      jobId,
      metadata: decoded.ok ? decoded.metadata : null,
      jobs: [inbox, ...jobs.filter((job) => job !== undefined)],
    }
  }

  /** The exact bytes as received, or why they cannot be read. */
  async body(jobId: string): Promise<{ rawBody: Buffer } | { problem: string }> {
    const read = await readDelivery(this.#connection.redis, this.#connection.prefix, jobId)
    return read.ok ? { rawBody: read.delivery.rawBody } : { problem: read.problem }
  }

  /** Lets handlers see a delivery again, each with its whole number of attempts. */
  async replay(jobId: string, target: ReplayTarget): Promise<ReplayResult[]> {
    const inbox = this.#queue(null)
    const state = await inbox.getJobState(jobId)
    if (state === 'failed') return [await this.#runAgain(null, jobId, state)]
    if (state !== 'completed') return [{ handler: null, result: 'busy' }]

    const results: ReplayResult[] = []
    for (const handler of typeof target === 'string' ? await this.handlers() : target) {
      const handlerState = await this.#queue(handler).getJobState(jobId)
      const isMeant =
        target === 'dead' ? handlerState === 'failed' : target !== 'all' || handlerState !== 'unknown'
      if (isMeant) results.push(await this.#runAgain(handler, jobId, handlerState))
    }
    return results
  }

  /** Removes a dead letter for good; false when it is none. */
  async discard(jobId: string, handler: string | null): Promise<boolean> {
    const { redis, prefix } = this.#connection
    const queue = `${prefix}:${handler === null ? INBOX_QUEUE : handlerQueueName(handler)}:`
    const removed = await redis.eval(REMOVE_DEAD, 1, `${queue}failed`, jobId, queue + jobId)
    return removed === 1
  }

  async #runAgain(handler: string | null, jobId: string, state: JobState | 'unknown'): Promise<ReplayResult> {
    const queue = this.#queue(handler)
    if (state === 'unknown') {
      const { redis, prefix } = this.#connection
      const decoded = decodeMetadata((await redis.hget(`${prefix}:${INBOX_QUEUE}:${jobId}`, 'name')) ?? '')
      const { type, bytes } = decoded.ok ? decoded.metadata : { type: null, bytes: 0 }
      await queue.add(...handlerJob(jobId, type ?? 'unknown', bytes))
      return { handler, result: 'replayed' }
    }
    const job = await Job.fromId(queue, jobId)
    if (job === undefined) return { handler, result: 'busy' }
    if (state === 'delayed') {
      await job.promote()
      return { handler, result: 'now' }
    }
    if (state !== 'failed' && state !== 'completed') return { handler, result: 'busy' }
    await job.updateProgress(nextReplay(job.progress))
    // Crashes of before would make it a suspect, or a dead letter, at once.
    await this.#connection.redis.hdel(queue.toKey(jobId), 'stc')
    await job.retry(state, { resetAttemptsMade: true, resetAttemptsStarted: true })
    return { handler, result: 'replayed' }
  }

  async #details(handler: string | null, jobId: string): Promise<JobDetails | undefined> {
    const queue = this.#queue(handler)
    const { redis } = this.#connection
    const fields = ['timestamp', 'atm', 'failedReason', 'stacktrace', 'progress', 'finishedOn'] as const
    const values = await redis.hmget(queue.toKey(jobId), ...fields)
    const [timestamp, attempts, failure, stacktrace, progress, finishedOn] = values
    if (timestamp === null) return undefined
    const stacks = JSON.parse(stacktrace ?? '[]') as string[]
    return {
      handler,
      state: await queue.getJobState(jobId),
      attempts: Number(attempts ?? 0),
      replays: replayCount(JSON.parse(progress ?? '0')),
      failure: failure ?? null,
      stack: stacks.at(-1) ?? null,
      endedAt: finishedOn === null || finishedOn === undefined ? null : Number(finishedOn),
    }
  }

  #queue(handler: string | null): Queue {
    const name = handler === null ? INBOX_QUEUE : handlerQueueName(handler)
    const open = this.#queues.get(name) ?? openQueue(name, this.#connection)
    this.#queues.set(name, open)
    return open
  }
}

/** KEYS: the failed set. ARGV: job id, key of the job. */
const REMOVE_DEAD = `
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('UNLINK', ARGV[2])
return 1`
