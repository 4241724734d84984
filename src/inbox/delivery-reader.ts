import { decodeBody, decodeMetadata, type Metadata } from './envelope.ts'
import type { PayloadKeys } from './payload-keys.ts'
import { queueKey, type QueueConnection } from './queues.ts'

export interface StoredDelivery {
  readonly metadata: Metadata
  readonly rawBody: Buffer
}

export type ReadResult =
  | { readonly ok: true; readonly delivery: StoredDelivery }
  /** `problem` is for people. It may pass with a newer release, so the reader should try again later. */
  | { readonly ok: false; readonly problem: string }

/** Reads a delivery from the inbox by the id of its job. */
export async function readDelivery(connection: QueueConnection, jobId: string): Promise<ReadResult> {
  const { redis, prefix, keys } = connection
  // The fields of BullMQ's job hash: its own getter would load and parse everything else as well.
  const [name, data] = await redis.hmget(queueKey(prefix, null) + jobId, 'name', 'data')
  if (typeof name !== 'string' || typeof data !== 'string') {
    return { ok: false, problem: 'the delivery is no longer in the inbox' }
  }
  return await decodeDelivery(name, JSON.parse(data), keys)
}

/** The same from the two parts of an inbox job. */
export async function decodeDelivery(name: string, data: unknown, keys: PayloadKeys): Promise<ReadResult> {
  const decoded = decodeMetadata(name)
  if (!decoded.ok) {
    const problem = decoded.problem === 'version' ? 'a newer release stored it' : 'its metadata are damaged'
    return { ok: false, problem }
  }
  const { metadata } = decoded
  const body = await decodeBody(String(data), metadata, keys)
  return body.ok ? { ok: true, delivery: { metadata, rawBody: body.rawBody } } : body
}
