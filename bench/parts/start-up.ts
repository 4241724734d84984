import { withSite, type BenchContext } from '../bench-context.ts'
import { BenchService } from '../contenders/service.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { spreadOf, type Spread } from '../statistics.ts'

const STARTS = 4
const LOOK_EVERY_MS = 2

export interface StartUp {
  readonly role: 'receiver' | 'all'
  readonly readySeconds: Spread
}

/** From the start of the process until it would store a webhook, on a Redis that runs already; the first one warms up. */
export async function measureStartUp(context: BenchContext, role: StartUp['role']): Promise<StartUp> {
  return await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    const seconds: number[] = []
    for (let start = 0; start <= STARTS; start += 1) {
      const startedAt = performance.now()
      const service = await BenchService.start(site, { role, redis })
      await service.ready(LOOK_EVERY_MS)
      if (start > 0) seconds.push((performance.now() - startedAt) / 1000)
      await service.stop()
    }
    await redis.stop()
    return { role, readySeconds: spreadOf(seconds) }
  })
}
