import { withSite, type BenchContext } from '../bench-context.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { fillInbox } from './drain.ts'

const LARGE_DELIVERIES = 1000
const OUTCOMES = 10_000
const PAGE = 1000

export interface StoredBytes {
  /** Of Redis, for one delivery of 64 KB that waits. */
  readonly waitingLarge: number
  /** Of Redis, for an outcome whose delivery is long gone. */
  readonly rememberedOutcome: number
}

/** What Redis takes for what is neither new nor being worked on. */
export async function measureStoredBytes(context: BenchContext): Promise<StoredBytes> {
  const waitingLarge = await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    const before = await redis.usedMemory()
    await fillInbox(context, site, redis, '64KB', LARGE_DELIVERIES)
    const bytes = ((await redis.usedMemory()) - before) / LARGE_DELIVERIES
    await redis.stop()
    return bytes
  })
  const rememberedOutcome = await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    await fillInbox(context, site, redis, '1.5KB', OUTCOMES)
    const bytes = await withSite(context, async (otherSite) => {
      const other = await BenchRedis.start(otherSite)
      const measured = await copyOutcomes(redis, other)
      await other.stop()
      return measured
    })
    await redis.stop()
    return bytes
  })
  return { waitingLarge, rememberedOutcome }
}

/** Copies what is kept of outcomes into an empty Redis, and returns what each takes there. */
async function copyOutcomes({ client: from }: BenchRedis, to: BenchRedis): Promise<number> {
  const before = await to.usedMemory()
  let copied = 0
  let cursor = '0'
  do {
    const [next, keys] = await from.scan(cursor, 'MATCH', 'callcov:inbox:de:*', 'COUNT', PAGE)
    cursor = next
    await Promise.all(
      keys.map(async (key) => {
        const [value, leftMs] = await Promise.all([from.get(key), from.pttl(key)])
        await to.client.set(key, value ?? '', 'PX', leftMs)
      }),
    )
    copied += keys.length
  } while (cursor !== '0')
  return ((await to.usedMemory()) - before) / copied
}
