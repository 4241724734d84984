import { decodeMetadata, type Metadata } from './envelope.ts'
import { pagesOfJobIds } from './listed-jobs.ts'
import { queueKey, type QueueConnection } from './queues.ts'

export interface StoredDelivery {
  readonly jobId: string
  readonly metadata: Metadata
}

/** The deliveries that were received in this span and have been dispatched, newest first, without their bodies. */
export async function* dispatchedDeliveries(
  connection: QueueConnection,
  {
    since = 0,
    until = Infinity,
  }: { readonly since?: number | undefined; readonly until?: number | undefined },
): AsyncGenerator<StoredDelivery> {
  const { redis, prefix } = connection
  const inbox = queueKey(prefix, null)
  for await (const jobIds of pagesOfJobIds(connection, null, 'done')) {
    const jobs = await Promise.all(jobIds.map((jobId) => redis.hmget(inbox + jobId, 'name', 'finishedOn')))
    for (const [index, [name, finishedOn]] of jobs.entries()) {
      // In the order of dispatching, which comes after receiving.
      if (Number(finishedOn ?? Infinity) < since) return
      const decoded = decodeMetadata(name ?? '')
      if (!decoded.ok) continue
      const { metadata } = decoded
      if (metadata.receivedAt < since || metadata.receivedAt > until) continue
      yield { jobId: jobIds[index] ?? '', metadata }
    }
  }
}
