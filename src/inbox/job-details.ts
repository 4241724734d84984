import type { JobState, Queue } from 'bullmq'
import { openReason } from './dead-letters.ts'
import { replayCount, type QueueConnection } from './queues.ts'

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

/** Reads what has become of one job, never with its data; `undefined` when there is no such job. */
export async function readJobDetails(
  { redis, keys }: QueueConnection,
  queue: Queue,
  jobId: string,
  handler: string | null,
): Promise<JobDetails | undefined> {
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
    failure: typeof failure === 'string' ? openReason(failure, keys) : null,
    stack: stacks.at(-1) ?? null,
    endedAt: finishedOn === null || finishedOn === undefined ? null : Number(finishedOn),
  }
}
