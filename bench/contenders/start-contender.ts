import { BenchError } from '../bench-error.ts'
import type { Site } from '../processes/bench-process.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { waitFor } from '../wait-for.ts'
import type { Contender, RunningContender } from './contender.ts'
import { probe } from './probe.ts'

const READY_WITHIN_MS = 30_000
const PROBE_EVERY_MS = 50

/**
 * Starts a contender with an empty Redis of its own, and waits until it takes what is signed and refuses what is not.
 * @throws BenchError when it does otherwise
 */
export async function startContender(contender: Contender, site: Site): Promise<RunningContender> {
  const { id, usesRedis, guarantees } = contender
  const redis = usesRedis ? await BenchRedis.start(site) : undefined
  const running = await contender.start(site, redis)
  const accepts = async () => {
    running.expectAlive()
    return (await probe(running.port)) === 200
  }
  const limits = { withinMs: READY_WITHIN_MS, signal: site.signal, everyMs: PROBE_EVERY_MS }
  await waitFor(`${id} to accept a webhook`, accepts, limits)
  const wrong = await probe(running.port, 'another secret')
  if (guarantees.signature && wrong === 200) throw new BenchError(`${id} accepts a wrong signature.`)
  // What works on the webhooks may take longer to start than what accepts them.
  const isIdle = async () => ((await running.countBacklog?.()) ?? 0) === 0
  await waitFor(`${id} to work on a webhook`, isIdle, limits)
  if (redis === undefined) return running
  return {
    ...running,
    parts: [...running.parts, { name: 'Redis', group: redis.process.pid, which: 'all' }],
    async stop() {
      await running.stop()
      await redis.stop()
    },
  }
}
