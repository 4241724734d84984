import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/** What ends a drill before its verdict; `message` is for the person who started it. */
export class DrillError extends Error {
  override readonly name = 'DrillError'
}

/**
 * Polls until the condition holds.
 * @throws DrillError naming what was waited for, when it does not within the time; what `signal` was aborted with
 */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { withinMs, signal }: { readonly withinMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new DrillError(`The drill waited ${withinMs / 1000} s in vain: ${what}.`)
    await pause(POLL_MS, signal)
  }
}

/** Waits for so long. @throws what `signal` was aborted with, at once */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}
