import { deliveryId } from '../inbox/delivery-id.ts'
import { listJobs } from '../inbox/listed-jobs.ts'
import { sources } from '../sources/sources.ts'
import { escapeText } from './escape-text.ts'
import type { OpenDeliveries } from './open-deliveries.ts'

const ID_CHARACTERS = 100

export interface Found {
  /** The job ids of each text that names a delivery: several when an analysis has several. */
  readonly byText: ReadonlyMap<string, readonly string[]>
  /** The texts that name none. */
  readonly missing: readonly string[]
}

/** Finds deliveries by what a person may have at hand: an analysis id, a delivery id or a job id. */
export async function findDeliveries(
  { connection, deliveries }: OpenDeliveries,
  texts: readonly string[],
): Promise<Found> {
  const found = new Map<string, Set<string>>()
  for (const text of texts) found.set(text, new Set(await deliveries.find(text, possibleDeliveryIds(text))))
  const areAllJobs = [...found].every(([text, jobIds]) => jobIds.has(text))
  if (!areAllJobs) {
    // A conflict has a dedupe key of its own, and that of an old dead letter may have expired.
    for await (const { jobId, metadata } of listJobs(connection, { state: 'dead' })) {
      found.get(metadata?.id ?? '')?.add(jobId)
    }
  }
  return {
    byText: new Map([...found].map(([text, jobIds]) => [text, [...jobIds]])),
    missing: [...found].filter(([, jobIds]) => jobIds.size === 0).map(([text]) => text),
  }
}

/** What to tell of a text that names nothing. */
export function describeMissing(text: string): string {
  return `${escapeText(text, ID_CHARACTERS)}: nothing is stored under this analysis id, delivery id or job id; perhaps it is past KEEP_COMPLETED or KEEP_DEAD\n`
}

function possibleDeliveryIds(id: string): string[] {
  return sources.flatMap(({ name, terminalOutcomes }) =>
    terminalOutcomes.map((outcome) => deliveryId(name, id, outcome)),
  )
}
