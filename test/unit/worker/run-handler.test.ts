import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { HandlerContext } from '../../../src/handlers/define-handler.ts'
import { AbandonedRuns, runHandler } from '../../../src/worker/run-handler.ts'
import { waitFor } from '../../support/wait.ts'
import { runOf } from '../support/handler-run.ts'

const TIMEOUT_MS = 60_000

describe('a handler that ends by itself', () => {
  it('is given the event, and all that belongs to this run', async () => {
    const seen: unknown[] = []
    const run = runOf((...given) => seen.push(...given), { attempt: 3, replay: 2 })
    await runHandler(run, new AbandonedRuns())
    const [event, context] = seen as [unknown, HandlerContext]
    expect(event).toBe(run.event)
    expect(context).toMatchObject({ attempt: 3, replay: 2 })
    expect(context.delivery).toBe(run.delivery)
    expect(context.log).toBe(run.log)
    expect(context.signal.aborted).toBe(false)
  })

  it('may return a value or nothing, at once or later', async () => {
    for (const handle of [() => 5, () => undefined, async () => 'x', () => nextTurn()]) {
      await expect(runHandler(runOf(handle), new AbandonedRuns())).resolves.toBeUndefined()
    }
  })

  it.each([
    [
      'at once',
      (error: unknown) => () => {
        throw error
      },
    ],
    [
      'later',
      (error: unknown) => async () => {
        await nextTurn()
        throw error
      },
    ],
  ])('fails with exactly what it threw %s', async (_when, throwing) => {
    const error = new Error('CRM answered 500')
    const abandoned = new AbandonedRuns()
    await expect(runHandler(runOf(throwing(error)), abandoned)).rejects.toBe(error)
    await expect(runHandler(runOf(throwing(null)), abandoned)).rejects.toBeNull()
    expect(abandoned.count).toBe(0)
  })

  it('leaves no timer behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await runHandler(
        runOf(() => 5),
        new AbandonedRuns(),
      )
      await runHandler(
        runOf(() => Promise.reject(new Error('x'))),
        new AbandonedRuns(),
      ).catch(() => {})
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a handler that takes longer than its timeout', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    return () => vi.useRealTimers()
  })

  it('is failed for the reason timeout when the time is over and not before, though it ignores its signal', async () => {
    const outcome = vi.fn<(error: unknown) => void>()
    runHandler(
      runOf(() => new Promise(() => {})),
      new AbandonedRuns(),
    ).catch(outcome)
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS - 1)
    expect(outcome).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(outcome).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        reason: 'timeout',
        final: false,
        message: expect.stringMatching(/^timeout: .*60000 ms/),
      }),
    )
  })

  it('sees its signal aborted, with the same reason', async () => {
    let signal: AbortSignal | undefined
    const run = runOf((_event, context) => {
      signal = context.signal
      return new Promise(() => {})
    })
    const failed = runHandler(run, new AbandonedRuns()).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS)
    expect(signal?.aborted).toBe(true)
    expect(signal?.reason).toBe(await failed)
  })

  it('counts as timed out also when it minds the signal and throws its reason', async () => {
    const run = runOf(async (_event, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      signal.throwIfAborted()
    })
    const failed = runHandler(run, new AbandonedRuns()).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS)
    expect(await failed).toMatchObject({ reason: 'timeout' })
  })

  it.each(['resolves', 'rejects'])('is counted as abandoned until it %s at last', async (end) => {
    const work = Promise.withResolvers<void>()
    const abandoned = new AbandonedRuns()
    const failed = runHandler(
      runOf(() => work.promise),
      abandoned,
    ).catch((error: unknown) => error)
    expect(abandoned.count).toBe(0)
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS)
    await failed
    expect(abandoned.count).toBe(1)
    if (end === 'resolves') work.resolve()
    else work.reject(new Error('too late to matter'))
    vi.useRealTimers()
    await waitFor('the abandoned run to be over', () => abandoned.count === 0)
  })

  it('is counted beside the others that hang', async () => {
    const abandoned = new AbandonedRuns()
    const runs = [1, 2, 3].map(() =>
      runHandler(
        runOf(() => new Promise(() => {})),
        abandoned,
      ),
    )
    const failed = Promise.allSettled(runs)
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS)
    await failed
    expect(abandoned.count).toBe(3)
  })
})

describe('a run that is cancelled, because the service stops or another worker has the job', () => {
  it('ends with that reason and tells the handler, which counts as abandoned while it goes on', async () => {
    const stop = new AbortController()
    const abandoned = new AbandonedRuns()
    const seen = Promise.withResolvers<AbortSignal>()
    const run = runOf(
      (_event, { signal }) => {
        seen.resolve(signal)
        return new Promise(() => {})
      },
      { cancelled: stop.signal },
    )
    const outcome = runHandler(run, abandoned).catch((error: unknown) => error)
    const signal = await seen.promise
    const reason = new Error('the service stops')
    stop.abort(reason)
    expect(await outcome).toBe(reason)
    expect(signal.reason).toBe(reason)
    expect(abandoned.count).toBe(1)
  })

  it('ends at once when it was cancelled before it began', async () => {
    const reason = new Error('the service stops')
    const run = runOf(() => new Promise(() => {}), { cancelled: AbortSignal.abort(reason) })
    await expect(runHandler(run, new AbandonedRuns())).rejects.toBe(reason)
  })

  it('changes nothing for a handler that has ended', async () => {
    const stop = new AbortController()
    const abandoned = new AbandonedRuns()
    await runHandler(
      runOf(() => 5, { cancelled: stop.signal }),
      abandoned,
    )
    stop.abort(new Error('the service stops'))
    await nextTurn()
    expect(abandoned.count).toBe(0)
  })
})
