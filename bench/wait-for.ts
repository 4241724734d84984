import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError } from './bench-error.ts'

const POLL_MS = 10

export interface WaitLimits {
  readonly withinMs: number
  readonly signal: AbortSignal
  readonly everyMs?: number
}

/**
 * Polls until the condition yields something other than `undefined` and `false`, and returns that.
 * @throws BenchError naming what was waited for, when it does not within the time; what `signal` was aborted with
 */
export async function waitFor<Value>(
  what: string,
  condition: () => Promise<Value | undefined | false> | Value | undefined | false,
  { withinMs, signal, everyMs = POLL_MS }: WaitLimits,
): Promise<Value> {
  const deadline = performance.now() + withinMs
  for (;;) {
    signal.throwIfAborted()
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) throw new BenchError(`Waited ${withinMs / 1000} s in vain for ${what}.`)
    await pause(everyMs, signal)
  }
}

/** Waits for so long. @throws what `signal` was aborted with, at once */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}
