import { setTimeout as sleep } from 'node:timers/promises'

type Present<Value> = Exclude<Value, undefined | null | false | 0 | ''>

/**
 * Polls until `probe` gives something, and returns that. Nothing, false, 0 and an empty text mean: not yet.
 * @throws naming what was waited for, when it does not come within the time
 */
export async function waitFor<Value>(
  what: string,
  probe: () => Promise<Value> | Value,
  { withinMs = 20_000, everyMs = 25 } = {},
): Promise<Present<Value>> {
  const deadline = Date.now() + withinMs
  let lastError: unknown
  while (Date.now() < deadline) {
    try {
      const value = await probe()
      if (value) return value as Present<Value>
    } catch (error) {
      lastError = error
    }
    await sleep(everyMs)
  }
  throw new Error(`waited ${withinMs} ms in vain for: ${what}`, { cause: lastError })
}
