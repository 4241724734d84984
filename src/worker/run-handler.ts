import type { Delivery } from '../handlers/define-handler.ts'
import type { LoadedHandler } from '../handlers/read-handler.ts'
import type { Logger } from '../log.ts'
import type { WebhookEvent } from '../sources/sources.ts'
import { untilAborted } from '../until-aborted.ts'
import { AttemptFailure } from './attempt-failure.ts'

export interface HandlerRun {
  readonly handler: LoadedHandler
  readonly event: WebhookEvent
  readonly delivery: Delivery
  readonly attempt: number
  readonly replay: number
  readonly log: Logger
  /** Aborts the run for a reason other than time: the service stops, or another worker has the job. */
  readonly cancelled: AbortSignal
}

/** Runs of a handler that were given up and have not ended: they hold memory, and may still do something. */
export class AbandonedRuns {
  count = 0

  track(run: Promise<unknown>): void {
    this.count += 1
    const ended = () => {
      this.count -= 1
    }
    run.then(ended, ended)
  }
}

/**
 * Calls the handler once and waits for it no longer than its timeout, whether it minds its signal or not.
 * @throws whatever the handler throws, and AttemptFailure `timeout`
 */
export async function runHandler(run: HandlerRun, abandoned: AbandonedRuns): Promise<void> {
  const { handler, event, delivery, attempt, replay, log, cancelled } = run
  cancelled.throwIfAborted()
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(timedOut(handler)), handler.timeoutMs)
  const signal = AbortSignal.any([timeout.signal, cancelled])
  let ended = false
  // In a promise at once, so that a handler that throws before its first await is no different.
  const work = Promise.resolve().then(() => handler.handle(event, { delivery, attempt, replay, signal, log }))
  const settled = work.finally(() => {
    ended = true
  })
  try {
    await untilAborted(settled, signal)
  } finally {
    clearTimeout(timer)
    if (!ended) abandoned.track(settled)
  }
}

function timedOut({ timeoutMs }: LoadedHandler): AttemptFailure {
  return new AttemptFailure('timeout', `the handler did not finish within ${timeoutMs} ms`)
}
