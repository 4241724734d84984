import { openReason, reasonOf, type FailureReason } from './dead-letters.ts'
import { decodeMetadata, type Metadata } from './envelope.ts'
import { queueKey, registeredHandlers, type QueueConnection } from './queues.ts'

export const LISTED_STATES = ['dead', 'waiting', 'done'] as const
export type ListedState = (typeof LISTED_STATES)[number]

/** One job of a delivery: in the inbox, where it is dispatched, or with a handler. */
export interface ListedJob {
  readonly jobId: string
  /** `null`: in the inbox. */
  readonly handler: string | null
  readonly state: ListedState
  /** When it died, was done or was added, Unix milliseconds. */
  readonly at: number
  readonly attempts: number
  readonly reason: FailureReason | null
  /** The whole text of the failure. */
  readonly failure: string | null
  /** `null` when the delivery itself is gone from the inbox. */
  readonly metadata: Metadata | null
}

export interface JobFilter {
  readonly state: ListedState
  readonly reason?: FailureReason | undefined
  /** A handler, or `inbox` for what was not dispatched. */
  readonly handler?: string | undefined
  /** Unix milliseconds. */
  readonly since?: number | undefined
  readonly until?: number | undefined
  /** The provider's id. */
  readonly id?: string | undefined
  /** The event type. */
  readonly type?: string | undefined
}

/** The keys of BullMQ that hold the jobs of a state. */
const KEYS_OF_STATE = {
  dead: { lists: [], sets: ['failed'] },
  waiting: { lists: ['active', 'wait', 'paused'], sets: ['delayed'] },
  done: { lists: [], sets: ['completed'] },
} as const satisfies Record<ListedState, { lists: readonly string[]; sets: readonly string[] }>

const PAGE = 500

/** The jobs that match, newest first, read page by page and never with their bodies. */
export async function* listJobs(connection: QueueConnection, filter: JobFilter): AsyncGenerator<ListedJob> {
  const handlers = await registeredHandlers(connection)
  const places =
    filter.handler === undefined ? [null, ...handlers] : [filter.handler === 'inbox' ? null : filter.handler]
  const streams = places.map((handler) => matches(connection, handler, filter))
  yield* newestFirst(streams)
}

/** How many dead letters there are. */
export async function countDead(connection: QueueConnection): Promise<number> {
  const { redis, prefix } = connection
  const places = [null, ...(await registeredHandlers(connection))]
  const counts = await Promise.all(places.map((handler) => redis.zcard(`${queueKey(prefix, handler)}failed`)))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** The ids of all jobs of one queue in a state, page by page, the newest of each kind first. */
export async function* pagesOfJobIds(
  { redis, prefix }: QueueConnection,
  handler: string | null,
  state: ListedState,
): AsyncGenerator<readonly string[]> {
  const { lists, sets } = KEYS_OF_STATE[state]
  const queue = queueKey(prefix, handler)
  const readers = [
    ...lists.map((name) => (start: number, end: number) => redis.lrange(queue + name, start, end)),
    ...sets.map((name) => (start: number, end: number) => redis.zrevrange(queue + name, start, end)),
  ]
  for (const read of readers) {
    let jobIds: readonly string[]
    let start = 0
    do {
      jobIds = await read(start, start + PAGE - 1)
      start += PAGE
      yield jobIds
    } while (jobIds.length === PAGE)
  }
}

async function* matches(
  connection: QueueConnection,
  handler: string | null,
  filter: JobFilter,
): AsyncGenerator<ListedJob> {
  for await (const jobIds of pagesOfJobIds(connection, handler, filter.state)) {
    const jobs = await Promise.all(
      jobIds.map((jobId) => readListedJob(connection, handler, jobId, filter.state)),
    )
    for (const job of jobs) {
      if (job === undefined) continue
      // Ended jobs come in the order of their ends, so that no later one can match either.
      if (filter.state !== 'waiting' && filter.since !== undefined && job.at < filter.since) return
      if (isMatch(job, filter)) yield job
    }
  }
}

function isMatch(job: ListedJob, filter: JobFilter): boolean {
  return (
    (filter.reason === undefined || job.reason === filter.reason) &&
    (filter.since === undefined || job.at >= filter.since) &&
    (filter.until === undefined || job.at <= filter.until) &&
    (filter.id === undefined || job.metadata?.id === filter.id) &&
    (filter.type === undefined || job.metadata?.type === filter.type)
  )
}

async function readListedJob(
  { redis, prefix, keys }: QueueConnection,
  handler: string | null,
  jobId: string,
  state: ListedState,
): Promise<ListedJob | undefined> {
  // Fields, not whole hashes: those of the inbox hold the bodies.
  const fields = ['timestamp', 'finishedOn', 'atm', 'failedReason', 'returnvalue'] as const
  const [own, name] = await Promise.all([
    redis.hmget(queueKey(prefix, handler) + jobId, ...fields),
    redis.hget(queueKey(prefix, null) + jobId, 'name'),
  ])
  const [timestamp, finishedOn, attempts, failure, returnValue] = own
  // It ended between the reading of the page and now.
  if (timestamp === null) return undefined
  // A delivery is listed where it is with its handlers, and in the inbox when none wanted it.
  if (handler === null && state === 'done' && returnValue !== '[]') return undefined
  const decoded = name === null ? undefined : decodeMetadata(name)
  return {
    jobId,
    handler,
    state,
    at: Number(finishedOn ?? timestamp),
    attempts: Number(attempts ?? 0),
    reason: state === 'dead' ? reasonOf(failure) : null,
    failure: typeof failure === 'string' ? openReason(failure, keys) : null,
    metadata: decoded?.ok === true ? decoded.metadata : null,
  }
}

/** Merges streams that are each in order. */
async function* newestFirst(streams: AsyncGenerator<ListedJob>[]): AsyncGenerator<ListedJob> {
  const heads = await Promise.all(streams.map(async (stream) => ({ stream, next: await stream.next() })))
  for (;;) {
    let newest: (typeof heads)[number] | undefined
    for (const head of heads) {
      if (head.next.done === true) continue
      const isNewer =
        newest === undefined || newest.next.done === true || head.next.value.at > newest.next.value.at
      if (isNewer) newest = head
    }
    if (newest === undefined || newest.next.done === true) return
    yield newest.next.value
    newest.next = await newest.stream.next()
  }
}
