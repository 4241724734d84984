import { prepareRequests, withSite, type BenchContext } from '../bench-context.ts'
import { BenchService } from '../contenders/service.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { fillInbox } from './drain.ts'

const WARM_UP_SECONDS = 2.5
const SECONDS = 3

export interface ReceiversAccept {
  readonly receivers: number
  readonly acceptedPerSecond: number
}

export interface BacklogAccept {
  readonly waiting: number
  readonly acceptedPerSecond: number
  readonly p99Ms: number
}

/** How much several receivers on one Redis accept together. */
export async function measureReceivers(context: BenchContext, count: number): Promise<ReceiversAccept> {
  await prepareRequests(context, WARM_UP_SECONDS + SECONDS, ['1.5KB'])
  return await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    const receivers = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        BenchService.start(site, { role: 'receiver', redis, name: `receiver-${index + 1}` }),
      ),
    )
    await Promise.all(receivers.map((receiver) => receiver.ready()))
    const load = await acceptAt(
      context,
      receivers.map(({ port }) => port),
      true,
    )
    await Promise.all(receivers.map((receiver) => receiver.stop()))
    await redis.stop()
    return { receivers: count, acceptedPerSecond: load.accepted / load.seconds }
  })
}

/** How much a receiver accepts while many deliveries wait already. */
export async function measureBacklog(context: BenchContext, waiting: number): Promise<BacklogAccept> {
  await prepareRequests(context, WARM_UP_SECONDS + SECONDS, ['1.5KB'], waiting)
  return await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    await fillInbox(context, site, redis, '1.5KB', waiting)
    const receiver = await BenchService.start(site, { role: 'receiver', redis })
    await receiver.ready()
    const load = await acceptAt(context, [receiver.port], false)
    await receiver.stop()
    await redis.stop()
    return { waiting, acceptedPerSecond: load.accepted / load.seconds, p99Ms: load.latencyMs.p99 }
  })
}

async function acceptAt({ generator }: BenchContext, ports: readonly number[], startsOver: boolean) {
  const task = { size: '1.5KB', ports } as const
  await generator.load({ ...task, seconds: WARM_UP_SECONDS, startsOver })
  return await generator.load({ ...task, seconds: SECONDS, startsOver: false })
}
