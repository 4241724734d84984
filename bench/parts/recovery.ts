import { join } from 'node:path'
import { prepareRequests, withSite, type BenchContext } from '../bench-context.ts'
import { BenchService } from '../contenders/service.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { childrenOf } from '../processes/process-usage.ts'
import { pause, waitFor } from '../wait-for.ts'
import { readRecords, recordingHandler } from './handler-files.ts'

const RATE_PER_SECOND = 40
const WARM_UP_MS = 3000
const LOAD_SECONDS = 20
/** Long enough that some run at any moment. */
const RUN_MS = 300
/** What began so shortly before cannot have ended. */
const SURELY_HELD_MS = 250
/** For the killed worker to be gone; a new one takes longer to start. */
const GONE_AFTER_MS = 50
const RECOVERED_WITHIN_MS = 60_000

export interface Recovery {
  /** What ran when the worker was killed. */
  readonly held: number
  readonly firstRunAfterSeconds: number
  /** Until the last of those that were cut off had begun again. */
  readonly heldRunAgainAfterSeconds: number
}

/** Kills the worker under load, and measures when handlers run again. */
export async function measureRecovery(context: BenchContext): Promise<Recovery> {
  await prepareRequests(context, 1, ['1.5KB'])
  return await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    const file = join(site.folder, 'records.txt')
    const handlers = { 'record.mjs': recordingHandler(file, RUN_MS) }
    const service = await BenchService.start(site, { role: 'all', redis, handlers })
    await service.ready()
    const loaded = context.generator.load({
      size: '1.5KB',
      ports: [service.port],
      seconds: LOAD_SECONDS,
      ratePerSecond: RATE_PER_SECOND,
      startsOver: true,
    })
    await pause(WARM_UP_MS, site.signal)
    for (const pid of childrenOf(service.process.pid)) process.kill(pid, 'SIGKILL')
    const killedAt = Number(process.hrtime.bigint() / 1000n)
    await pause(GONE_AFTER_MS, site.signal)

    const records = () => readRecords(file)
    const isBetween = (from: number, to: number) => (record: { atMicroseconds: number }) =>
      record.atMicroseconds > killedAt + from * 1000 && record.atMicroseconds < killedAt + to * 1000
    const held = records().filter(isBetween(-SURELY_HELD_MS, GONE_AFTER_MS))
    const after = () => records().filter(isBetween(GONE_AFTER_MS, Number.POSITIVE_INFINITY))
    const again = () => {
      const startedAt = new Map(after().map(({ id, atMicroseconds }) => [id, atMicroseconds]))
      const times = held.flatMap(({ id }) => startedAt.get(id) ?? [])
      return times.length === held.length && times
    }
    const limits = { withinMs: RECOVERED_WITHIN_MS, signal: site.signal, everyMs: 100 }
    const times = await waitFor('what the killed worker held', again, limits)
    const [first] = after()
    await loaded
    await service.stop()
    await redis.stop()
    const since = (at: number) => (at - killedAt) / 1e6
    return {
      held: held.length,
      firstRunAfterSeconds: since(first?.atMicroseconds ?? Number.NaN),
      heldRunAgainAfterSeconds: since(Math.max(...times)),
    }
  })
}
