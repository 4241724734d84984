import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Polls until `probe` gives something other than undefined, null or false, and returns that.
 * @throws naming what was waited for, when it does not come within the time
 */
export async function waitFor<Value>(
  what: string,
  probe: () => Promise<Value> | Value,
  { withinMs = 20_000, everyMs = 25 } = {},
): Promise<Exclude<Value, undefined | null | false>> {
  const deadline = Date.now() + withinMs
  let lastError: unknown
  while (Date.now() < deadline) {
    try {
      const value = await probe()
      if (value !== undefined && value !== null && value !== false) {
        return value as Exclude<Value, undefined | null | false>
      }
    } catch (error) {
      lastError = error
    }
    await sleep(everyMs)
  }
  throw new Error(`waited ${withinMs} ms in vain for: ${what}`, { cause: lastError })
}
