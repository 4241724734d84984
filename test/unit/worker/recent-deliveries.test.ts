import { describe, expect, it } from 'vitest'
import type { StoredDelivery } from '../../../src/inbox/delivery-reader.ts'
import type { ReadEvent } from '../../../src/worker/read-event.ts'
import { RecentDeliveries, type RecentDelivery } from '../../../src/worker/recent-deliveries.ts'

const HALF_MIB = 512 * 1024
const read = {} as ReadEvent
const ofBytes = (bytes: number): RecentDelivery => ({
  delivery: { rawBody: Buffer.alloc(bytes) } as Partial<StoredDelivery> as StoredDelivery,
  read,
})

describe('recent deliveries', () => {
  it('give what was read of one to the first who takes it only, as handlers may change it', () => {
    const recent = new RecentDeliveries()
    const kept = ofBytes(10)
    recent.keep('a', kept)
    expect(recent.take('a')?.read).toBe(read)
    expect(recent.take('a')).toEqual({ delivery: kept.delivery, read: undefined })
  })

  it('hold 2 MiB of bodies, the last ones, and each once', () => {
    const recent = new RecentDeliveries()
    for (const jobId of ['a', 'b', 'b', 'c', 'd']) recent.keep(jobId, ofBytes(HALF_MIB))
    expect(['a', 'b', 'c', 'd'].every((jobId) => recent.take(jobId) !== undefined)).toBe(true)
    recent.keep('e', ofBytes(2 * HALF_MIB))
    expect(['a', 'b', 'c', 'd', 'e'].map((jobId) => recent.take(jobId) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ])
    recent.keep('f', ofBytes(5 * HALF_MIB))
    expect(['c', 'd', 'e', 'f'].some((jobId) => recent.take(jobId) !== undefined)).toBe(false)
  })
})
