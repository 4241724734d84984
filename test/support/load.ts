import { setTimeout as sleep } from 'node:timers/promises'
import { post, type Delivery } from './deliveries.ts'

export interface LoadResult {
  /** By status; 0 stands for a cut connection. */
  readonly statuses: Record<number, number>
  readonly durationsMs: number[]
  /** The deliveries that were answered 200. */
  readonly acknowledged: Delivery[]
}

/** Sends deliveries at a steady rate, each without waiting for the one before, until `until` resolves or they are used up. */
export async function sendAtRate(
  url: string,
  perSecond: number,
  deliveries: Iterable<Delivery>,
  isOver: () => boolean = () => false,
): Promise<LoadResult> {
  const statuses: Record<number, number> = {}
  const durationsMs: number[] = []
  const acknowledged: Delivery[] = []
  const open: Promise<void>[] = []
  const startedAt = performance.now()
  let sent = 0
  for (const delivery of deliveries) {
    if (isOver()) break
    const dueMs = startedAt + (sent * 1000) / perSecond - performance.now()
    if (dueMs > 1) await sleep(dueMs)
    sent += 1
    open.push(sendOne(delivery))
  }
  await Promise.all(open)
  return { statuses, durationsMs, acknowledged }

  async function sendOne(delivery: Delivery): Promise<void> {
    const sentAt = performance.now()
    const status = await post(url, delivery).then(
      async (answer) => {
        await answer.arrayBuffer()
        return answer.status
      },
      () => 0,
    )
    durationsMs.push(performance.now() - sentAt)
    statuses[status] = (statuses[status] ?? 0) + 1
    if (status === 200) acknowledged.push(delivery)
  }
}

/** The value below which the given share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
