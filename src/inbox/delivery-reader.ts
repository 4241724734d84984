import type { Redis } from 'ioredis'
import { sha256Hex } from './delivery-id.ts'
import { decodeBody, decodeMetadata, type Metadata } from './envelope.ts'
import { INBOX_QUEUE } from './queues.ts'

export interface StoredDelivery {
  readonly metadata: Metadata
  readonly rawBody: Buffer
}

export type ReadResult =
  | { readonly ok: true; readonly delivery: StoredDelivery }
  /** `problem` is for people. It may pass with a newer release, so the reader should try again later. */
  | { readonly ok: false; readonly problem: string }

/** Reads a delivery from the inbox by the id of its job. */
export async function readDelivery(redis: Redis, prefix: string, jobId: string): Promise<ReadResult> {
  // The fields of BullMQ's job hash: its own getter would load and parse everything else as well.
  const [name, data] = await redis.hmget(`${prefix}:${INBOX_QUEUE}:${jobId}`, 'name', 'data')
  if (typeof name !== 'string' || typeof data !== 'string') {
    return { ok: false, problem: 'the delivery is no longer in the inbox' }
  }
  return await decodeDelivery(name, JSON.parse(data))
}

/** The same from the two parts of an inbox job. */
export async function decodeDelivery(name: string, data: unknown): Promise<ReadResult> {
  const decoded = decodeMetadata(name)
  if (!decoded.ok) {
    const problem = decoded.problem === 'version' ? 'a newer release stored it' : 'its metadata are damaged'
    return { ok: false, problem }
  }
  const { metadata } = decoded
  try {
    const rawBody = await decodeBody(String(data), metadata)
    if (rawBody === undefined) {
      return { ok: false, problem: `its encoding ${metadata.encoding} is unknown to this release` }
    }
    if (sha256Hex(rawBody) === metadata.sha256) return { ok: true, delivery: { metadata, rawBody } }
    return { ok: false, problem: 'its stored body is damaged' }
  } catch {
    return { ok: false, problem: 'its stored body is damaged' }
  }
}
