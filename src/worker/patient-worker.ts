import { setTimeout as sleep } from 'node:timers/promises'
import { Worker, type Job, type Processor, type WorkerOptions } from 'bullmq'
import { NO_LIMIT, type QueueRest } from './queue-rest.ts'

const ASK_AGAIN_MS = 500
/** How soon a worker notices that another process has ended a rest before its time. */
const LOOK_AFTER_REST_MS = 5000
/** Replies that say: not now. The others, a lock that was lost for one, say something of the job. */
const NOT_NOW =
  /(?:^|: -?)(?:OOM|READONLY|MISCONF|LOADING|NOPERM|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOAUTH) |^ERR (?:ACL failure in script|The user executing the script)/

/** Whether Redis refused a command for reasons of its own: it is full, read-only, or does not allow it. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && NOT_NOW.test(error.message)
}

/** Does what may be repeated until Redis takes it. @throws what is no refusal, and a refusal once given up */
export async function insist<Result>(work: () => Promise<Result>, isGivenUp: () => boolean): Promise<Result> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isRefusal(error) || isGivenUp()) throw error
      await sleep(ASK_AGAIN_MS)
    }
  }
}

/** Redis beside the service answers within a millisecond. */
const SLOW_FETCH_MS = 50

/**
 * BullMQ's worker asks a Redis that refuses at once again, thousands of times a second, and takes a finished job
 * whose end Redis refused for a failed one: on its last attempt, for a dead letter. It fetches as many jobs as may
 * run at once, one after the other, before it starts the first: far from Redis, their locks have ended by then. This
 * one waits where that one hurries, and with a job whose handler rests, and starts what it has.
 */
export class PatientWorker extends Worker {
  readonly #rest: QueueRest | undefined
  #startsFetched = false

  constructor(
    queue: string,
    processor: Processor,
    { rest, ...options }: WorkerOptions & { readonly rest: QueueRest | undefined },
  ) {
    const limit = { limiter: NO_LIMIT, maximumRateLimitDelay: LOOK_AFTER_REST_MS }
    super(queue, processor, { ...options, ...(rest && limit) })
    this.#rest = rest
  }

  protected override async moveToActive(...args: Parameters<Worker['moveToActive']>): Promise<Job> {
    if (this.#startsFetched) {
      this.#startsFetched = false
      // An empty queue, which its types leave out: BullMQ then starts what it has.
      return undefined as unknown as Job
    }
    const takeJob = () => super.moveToActive(...args)
    const startedAt = performance.now()
    try {
      const next = (await (this.#rest?.take(takeJob) ?? takeJob())) as Job | undefined
      this.#startsFetched = next !== undefined && performance.now() - startedAt > SLOW_FETCH_MS
      return next as Job
    } catch (error) {
      await sleep(ASK_AGAIN_MS)
      throw error
    }
  }

  protected override async handleCompleted(...args: Parameters<Worker['handleCompleted']>) {
    return await insist(
      () => super.handleCompleted(...args),
      () => this.closing !== undefined,
    )
  }

  protected override async handleFailed(...args: Parameters<Worker['handleFailed']>) {
    // The run did not fail. The job stays active until its lock has ended, and then runs again.
    if (isRefusal(args[0])) throw args[0]
    return await insist(
      () => super.handleFailed(...args),
      () => this.closing !== undefined,
    )
  }
}
