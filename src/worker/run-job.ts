import { DelayedError, RateLimitError, type Job, type Worker } from 'bullmq'
import { formatReason } from '../inbox/dead-letters.ts'
import type { PayloadKeys } from '../inbox/payload-keys.ts'
import type { QueueConnection } from '../inbox/queues.ts'
import { AttemptFailure, describeThrown } from './attempt-failure.ts'
import type { RunVerdict } from './breaker.ts'
import { runCountingCrashes } from './crash-count.ts'
import { insist, isRefusal, PatientWorker } from './patient-worker.ts'
import { NO_RETRY, nextDelayMs, type RetryLimits } from './retry-policy.ts'
import type { QueueRest } from './queue-rest.ts'
import { stepBackMs, type SuspectGate } from './suspects.ts'

/** A killed worker's jobs run again 10 to 15 s later. */
const LOCK_MS = 10_000
const STALLED_CHECK_MS = 5000
const TELL_EVERY_MS = 60_000

export interface JobRunner {
  readonly queue: string
  readonly concurrency: number
  readonly limits: RetryLimits
  /** Aborted once: unfinished jobs are then given back without using up an attempt. */
  readonly stopped: AbortSignal
  readonly suspects: SuspectGate
  /** The jobs that run in this worker, of all queues. */
  readonly running: { count: number }
  /** Of a handler with a breaker. */
  readonly rest: QueueRest | undefined
  /**
   * Does one attempt; what it returns is kept as the job's return value. `lost` aborts when the job was given to
   * another worker meanwhile.
   */
  run(job: Job, lost: AbortSignal): Promise<unknown>
  /** Told how each run ended and what comes next. */
  onEnd(job: Job, end: RunEnd): void
}

export interface RunEnd {
  readonly failure?: AttemptFailure
  readonly decision: Decision
  readonly durationMs: number
}

/**
 * What follows a run. `given back`: it did not count as an attempt. `resting`: nor was it begun, because its breaker is
 * open. `lost`: another worker has the job now.
 */
export type Decision =
  | { readonly kind: 'done' | 'dead letter' | 'given back' | 'resting' | 'lost' }
  | { readonly kind: 'retry'; readonly delayMs: number }

/** Starts to take jobs from one queue. The caller closes the worker, and the connection after it. */
export function startJobWorker(runner: JobRunner, connection: QueueConnection): Worker {
  const { redis, prefix, log } = connection
  // BullMQ hands over a signal only to processors that declare three parameters.
  const worker = new PatientWorker(
    runner.queue,
    (job, token, signal) => processJob(runner, connection, job, token, signal),
    {
      connection: redis,
      prefix,
      rest: runner.rest,
      // As for queues: an INFO that fails once would leave the worker without work until the process ends.
      skipVersionCheck: true,
      concurrency: runner.concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      // The limit is ours, and counts only what ran: MAX_CRASHES.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      settings: {
        // An error that is not ours comes from BullMQ itself: it could not note a result, so the job runs again.
        backoffStrategy: (_attempts, _type, error) =>
          error instanceof AttemptFailure ? (error.retryInMs ?? NO_RETRY) : runner.limits.backoffMs,
      },
    },
  )
  let toldAt = Number.NEGATIVE_INFINITY
  worker.on('error', (error) => {
    const line = { err: error, queue: runner.queue }
    if (!isRefusal(error) || performance.now() - toldAt < TELL_EVERY_MS) log.debug(line, 'worker error')
    else {
      toldAt = performance.now()
      log.error(line, 'Redis refuses the work of the worker; it is tried again')
    }
  })
  worker.on('lockRenewalFailed', (jobIds: string[]) => {
    for (const jobId of jobIds) worker.cancelJob(jobId, 'the job was given to another worker')
  })
  return worker
}

async function processJob(
  runner: JobRunner,
  { redis, prefix, keys }: QueueConnection,
  job: Job,
  token: string | undefined,
  lost = new AbortController().signal,
): Promise<unknown> {
  // In memory only: the settings of today decide, not those of the day the job was made.
  job.opts.attempts = runner.limits.attempts
  job.opts.backoff = { type: 'planned' }
  job.opts.stackTraceLimit = 1
  const startedAt = performance.now()
  const end = (decision: Decision, failure?: AttemptFailure) =>
    runner.onEnd(job, { decision, durationMs: performance.now() - startedAt, ...(failure && { failure }) })
  const giveBack = async (delayMs: number): Promise<never> => {
    end({ kind: 'given back' })
    const isGivenUp = () => runner.stopped.aborted || lost.aborted
    await insist(() => job.moveToDelayed(Date.now() + delayMs, token), isGivenUp)
    throw new DelayedError()
  }

  const isSuspect = job.stalledCounter > 0
  const release = isSuspect ? await runner.suspects.enter() : () => {}
  if (release === undefined) return await giveBack(stepBackMs())
  runner.running.count += 1
  try {
    if (runner.stopped.aborted) return await giveBack(stepBackMs())
    const leave = runner.rest === undefined ? async () => {} : await runner.rest.enter()
    if (leave === undefined) {
      end({ kind: 'resting' })
      throw new RateLimitError()
    }
    return await attempt(leave)
  } finally {
    runner.running.count -= 1
    release()
  }

  async function attempt(leave: (verdict: RunVerdict) => Promise<void>): Promise<unknown> {
    const { stopped } = runner
    const run = () => runner.run(job, lost)
    const jobKey = `${prefix}:${runner.queue}:${job.id}`
    let result: unknown
    try {
      result = await (isSuspect ? runCountingCrashes({ redis, jobKey, stopped, lost, run }) : run())
    } catch (thrown) {
      const isLost = lost.aborted
      const failure = thrown instanceof AttemptFailure ? thrown : describeThrown(thrown)
      await leave(isLost || stopped.aborted ? 'nothing' : verdictOf(failure))
      if (stopped.aborted) return await giveBack(0)
      end(isLost ? { kind: 'lost' } : decide(failure, job.attemptsMade + 1, runner.limits), failure)
      throw sealed(failure, keys)
    }
    await leave('success')
    end({ kind: 'done' })
    return result
  }
}

function verdictOf({ reason, delayMs, targetFailed }: AttemptFailure): RunVerdict {
  return (reason === 'failed' || reason === 'timeout') && (delayMs === undefined || targetFailed)
    ? 'failure'
    : 'nothing'
}

/** Its text may quote what the handler worked on; from here on it lies in Redis. */
function sealed(failure: AttemptFailure, keys: PayloadKeys): AttemptFailure {
  failure.message = formatReason(failure.reason, keys.sealText(failure.text))
  return failure
}

/** Decides what follows a failed attempt; BullMQ carries it out. */
function decide(failure: AttemptFailure, attemptsMade: number, limits: RetryLimits): Decision {
  const delayMs = nextDelayMs(failure, attemptsMade, limits)
  if (delayMs === NO_RETRY || attemptsMade >= limits.attempts) return { kind: 'dead letter' }
  failure.retryInMs = delayMs
  return { kind: 'retry', delayMs }
}
