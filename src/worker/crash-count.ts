import type { Redis } from 'ioredis'
import { CRASHES_FIELD } from '../inbox/run-again.ts'
import { AttemptFailure } from './attempt-failure.ts'
import { insist } from './patient-worker.ts'

/** A job that took the process down this often is a dead letter. More than a rolling deployment would. */
export const MAX_CRASHES = 6

/** Of a job that is still there: somebody may have had it forgotten, or another worker have finished it. */
const COUNT = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[1], '${CRASHES_FIELD}', ARGV[1])`

export interface CountedRun<Result> {
  readonly redis: Redis
  /** Of the job's hash, where the count is kept. */
  readonly jobKey: string
  readonly stopped: AbortSignal
  /** Aborted when another worker has the job. */
  readonly lost: AbortSignal
  run(): Promise<Result>
}

/**
 * Runs a suspect; the run counts as a crash until it has ended. BullMQ's own counter goes up for every job that was
 * running when its worker ended, and for those in the line behind it.
 * @throws AttemptFailure `crashed` when it has crashed too often, and whatever the run throws
 */
export async function runCountingCrashes<Result>(counted: CountedRun<Result>): Promise<Result> {
  const { redis, jobKey, stopped, lost } = counted
  const isGivenUp = () => stopped.aborted || lost.aborted
  const count = (by: 1 | -1) => insist(() => redis.eval(COUNT, 1, jobKey, by), isGivenUp)
  const crashes = Number(await count(1))
  // This one is in the count already, and the crash that made the job a suspect is not.
  if (crashes >= MAX_CRASHES) {
    const text = `the worker ended or froze ${MAX_CRASHES} times while this ran`
    throw new AttemptFailure('crashed', text, { final: true })
  }
  try {
    return await counted.run()
  } catch (thrown) {
    if (!lost.aborted) await count(-1)
    throw thrown
  }
}
