import { deliveriesOf } from '../inbox/deliveries-of.ts'
import { escapeText } from './escape-text.ts'
import type { OpenDeliveries } from './open-deliveries.ts'

const ID_CHARACTERS = 100

export interface Found {
  /** The job ids of each text that names a delivery: several when an analysis or a call has several. */
  readonly byText: ReadonlyMap<string, readonly string[]>
  /** The texts that name none. */
  readonly missing: readonly string[]
}

/** Finds deliveries by what a person may have at hand: an id of the provider, a delivery id or a job id. */
export async function findDeliveries(
  { connection, deliveries }: OpenDeliveries,
  texts: readonly string[],
): Promise<Found> {
  const found = new Map<string, readonly string[]>()
  for (const text of texts) {
    const jobId = await deliveries.find(text)
    found.set(text, jobId === undefined ? [] : [jobId])
  }
  const others = [...found.keys()].filter((text) => found.get(text)?.length === 0)
  if (others.length > 0) {
    for (const [text, jobIds] of await deliveriesOf(connection, others)) found.set(text, [...jobIds])
  }
  return {
    byText: found,
    missing: [...found].filter(([, jobIds]) => jobIds.length === 0).map(([text]) => text),
  }
}

/** What to tell of a text that names nothing. */
export function describeMissing(text: string): string {
  return `${escapeText(text, ID_CHARACTERS)}: nothing is stored under this analysis or call id, delivery id or job id; perhaps it is past KEEP_COMPLETED or KEEP_DEAD\n`
}
