import { decodeMetadata } from './envelope.ts'
import { LISTED_STATES, pagesOfJobIds } from './listed-jobs.ts'
import { queueKey, type QueueConnection } from './queues.ts'

/**
 * The job ids of all deliveries with one of these ids of a provider, in whatever state they are. Looks at everything
 * that is stored: what is part of a dedupe key besides the id, only the source knows, and not before the body comes.
 */
export async function deliveriesOf(
  connection: QueueConnection,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { redis, prefix } = connection
  // Sets, as a delivery that moves on meanwhile is met twice.
  const found = new Map(ids.map((id) => [id, new Set<string>()]))
  for (const state of LISTED_STATES) {
    for await (const jobIds of pagesOfJobIds(connection, null, state)) {
      const names = await Promise.all(
        jobIds.map((jobId) => redis.hget(queueKey(prefix, null) + jobId, 'name')),
      )
      for (const [index, jobId] of jobIds.entries()) {
        const decoded = decodeMetadata(names[index] ?? '')
        if (decoded.ok && decoded.metadata.id !== null) found.get(decoded.metadata.id)?.add(jobId)
      }
    }
  }
  return found
}
