import { withSite, type BenchContext } from '../bench-context.ts'
import { BenchError } from '../bench-error.ts'
import { BenchService } from '../contenders/service.ts'
import type { BodySize } from '../load/bodies.ts'
import type { Site } from '../processes/bench-process.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { usageOf, type UsagePart } from '../processes/process-usage.ts'
import { waitFor } from '../wait-for.ts'
import { idleHandler } from './handler-files.ts'

const FILLED_WITHIN_SECONDS = 300
const DRAINED_WITHIN_MS = 600_000
const LOOK_EVERY_MS = 25
/** Of the deliveries: until then the worker starts and warms up. */
const UNCOUNTED_SHARE = 1 / 3
/** Index of the last delivery whose body is measured. */
const LAST_SAMPLED = '199'

export interface DrainOptions {
  readonly handlers: number
  readonly workers: number
  readonly deliveries: number
}

export interface Drain extends DrainOptions {
  readonly deliveriesPerSecond: number
  /** For each delivery, all workers together, and Redis. */
  readonly cpuMicroseconds: { readonly worker: number; readonly redis: number }
  /** The highest of all workers. */
  readonly workerPeakBytes: number
  /** In Redis, for each delivery. */
  readonly bytes: {
    readonly waiting: number
    readonly finished: number
    /** Of its body as it is stored, which is in both. */
    readonly encodedBody: number
  }
}

/** Lets the receiver fill the inbox while no worker runs, then measures how fast workers empty it. */
export async function measureDrain(context: BenchContext, options: DrainOptions): Promise<Drain> {
  const { handlers, workers: workerCount, deliveries } = options
  return await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    const bytesBefore = await redis.usedMemory()
    await fillInbox(context, site, redis, '1.5KB', deliveries)
    const waiting = ((await redis.usedMemory()) - bytesBefore) / deliveries

    // The built-in `log` is always there.
    const names = Array.from({ length: handlers - 1 }, (_, index) => `idle-${index + 1}`)
    const files = Object.fromEntries(names.map((name) => [`${name}.mjs`, idleHandler(name)]))
    const workers = await Promise.all(
      Array.from({ length: workerCount }, (_, index) =>
        BenchService.start(site, { role: 'worker', redis, handlers: files, name: `worker-${index + 1}` }),
      ),
    )
    const parts: UsagePart[] = [
      { name: 'Redis', group: redis.process.pid, which: 'all' },
      ...workers.map(({ process: { name, pid } }): UsagePart => ({ name, group: pid, which: 'all' })),
    ]
    const pace = await watchDrain(redis, ['log', ...names], deliveries, parts, site.signal)
    for (const { process: main } of workers) main.expectAlive()
    const usage = usageOf(
      workers.map(({ process: { name, pid } }) => ({ name, group: pid, which: 'others' })),
    )
    const encodedBody = await meanBodyBytes(redis)
    await Promise.all(workers.map((worker) => worker.stop()))
    const finished = ((await redis.usedMemory()) - bytesBefore) / deliveries
    await redis.stop()
    return {
      ...options,
      ...pace,
      workerPeakBytes: Math.max(...[...usage.values()].map(({ peakBytes }) => peakBytes)),
      bytes: { waiting, finished, encodedBody },
    }
  })
}

/** Accepts so many webhooks that nobody works on. */
export async function fillInbox(
  context: BenchContext,
  site: Site,
  redis: BenchRedis,
  size: BodySize,
  count: number,
): Promise<void> {
  await context.generator.prepare(size, count)
  const receiver = await BenchService.start(site, { role: 'receiver', redis })
  await receiver.ready()
  const load = await context.generator.load({
    size,
    ports: [receiver.port],
    seconds: FILLED_WITHIN_SECONDS,
    count,
    startsOver: true,
  })
  await receiver.stop()
  if (load.accepted !== count)
    throw new BenchError(`Only ${load.accepted} of ${count} webhooks were accepted.`)
}

async function watchDrain(
  redis: BenchRedis,
  handlers: readonly string[],
  deliveries: number,
  parts: readonly UsagePart[],
  signal: AbortSignal,
) {
  /** How many deliveries every handler is done with. */
  const countDone = async () => {
    const counts = await Promise.all(
      handlers.map((name) => redis.client.zcard(`callcov:handler-${name}:completed`)),
    )
    return Math.min(...counts)
  }
  const limits = { withinMs: DRAINED_WITHIN_MS, signal, everyMs: LOOK_EVERY_MS }
  const reached = async (count: number) => {
    const done = await waitFor(
      'the backlog to be worked off',
      async () => {
        const now = await countDone()
        return now >= count && now
      },
      limits,
    )
    return { done, at: performance.now(), usage: usageOf(parts) }
  }
  const first = await reached(deliveries * UNCOUNTED_SHARE)
  const last = await reached(deliveries)
  const counted = last.done - first.done
  const cpuMicroseconds = (isWanted: (name: string) => boolean) =>
    parts
      .filter(({ name }) => isWanted(name))
      .reduce((sum, { name }) => {
        const seconds = (last.usage.get(name)?.cpuSeconds ?? 0) - (first.usage.get(name)?.cpuSeconds ?? 0)
        return sum + (seconds * 1e6) / counted
      }, 0)
  return {
    deliveriesPerSecond: counted / ((last.at - first.at) / 1000),
    cpuMicroseconds: {
      worker: cpuMicroseconds((name) => name !== 'Redis'),
      redis: cpuMicroseconds((name) => name === 'Redis'),
    },
  }
}

async function meanBodyBytes({ client }: BenchRedis): Promise<number> {
  const ids = await client.zrange('callcov:inbox:completed', '0', LAST_SAMPLED)
  const lengths = await Promise.all(ids.map((id) => client.hstrlen(`callcov:inbox:${id}`, 'data')))
  return lengths.reduce((sum, length) => sum + length, 0) / lengths.length
}
