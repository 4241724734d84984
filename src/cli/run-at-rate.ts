import { setTimeout as sleep } from 'node:timers/promises'

const CONCURRENCY = 50

/** Does the work for each item, on a schedule of so many a second; ends with the first failure, once nothing runs. */
export async function runAtRate<Item>(
  items: readonly Item[],
  ratePerSecond: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = []
  const open = new Set<Promise<void>>()
  const startedAt = performance.now()
  for (const [index, item] of items.entries()) {
    const waitMs = startedAt + (index * 1000) / ratePerSecond - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    if (open.size >= CONCURRENCY) await Promise.race(open)
    if (failures.length > 0) break
    const done: Promise<void> = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => open.delete(done))
    open.add(done)
  }
  await Promise.all(open)
  if (failures.length > 0) throw failures[0]
}
