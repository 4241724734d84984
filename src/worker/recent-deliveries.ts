import type { StoredDelivery } from '../inbox/delivery-reader.ts'
import type { ReadEvent } from './read-event.ts'

const MAX_BYTES = 2 * 1024 * 1024

export interface RecentDelivery {
  readonly delivery: StoredDelivery
  /** What dispatch has read of it, for the first who takes it: handlers may change what they are given. */
  readonly read: ReadEvent | undefined
}

/**
 * The deliveries that were dispatched last, 2 MiB of bodies at most, so that handlers which are quick to run need not
 * read them from Redis once more: a third of the processor time of draining with three handlers.
 */
export class RecentDeliveries {
  readonly #byJobId = new Map<string, RecentDelivery>()
  #bytes = 0

  keep(jobId: string, recent: RecentDelivery): void {
    this.#drop(jobId)
    this.#byJobId.set(jobId, recent)
    this.#bytes += recent.delivery.rawBody.length
    for (const oldest of this.#byJobId.keys()) {
      if (this.#bytes <= MAX_BYTES) return
      this.#drop(oldest)
    }
  }

  take(jobId: string): RecentDelivery | undefined {
    const recent = this.#byJobId.get(jobId)
    if (recent !== undefined) this.#byJobId.set(jobId, { delivery: recent.delivery, read: undefined })
    return recent
  }

  #drop(jobId: string): void {
    this.#bytes -= this.#byJobId.get(jobId)?.delivery.rawBody.length ?? 0
    this.#byJobId.delete(jobId)
  }
}
