import type { QueueStatsReader } from '../inbox/queue-stats.ts'
import type { Readiness } from '../inbox/readiness.ts'
import type { ServiceMetrics } from '../metrics.ts'
import { withinTime } from '../time-limit.ts'

/** A scrape must end while Redis hangs; what it could not learn is left out. */
const REDIS_WITHIN_MS = 1000

/** Brings the gauges of queues and Redis up to date for one scrape. */
export async function updateServiceMetrics(
  metrics: ServiceMetrics,
  queueStats: QueueStatsReader,
  readiness: Readiness,
): Promise<void> {
  metrics.redisDurable.set(readiness.durable === true ? 1 : 0)
  metrics.redisMemoryRatio.set(readiness.memoryRatio ?? 0)
  const stats = await withinTime(queueStats.read(), REDIS_WITHIN_MS).catch(() => undefined)
  // A reason or queue without dead letters must not keep the number it had.
  for (const gauge of [metrics.queueJobs, metrics.queueOldestSeconds, metrics.deadLetters]) gauge.reset()
  for (const { queue, jobs, oldestSeconds, deadLetters } of stats ?? []) {
    for (const [state, count] of Object.entries(jobs)) metrics.queueJobs.set({ queue, state }, count)
    metrics.queueOldestSeconds.set({ queue }, oldestSeconds)
    for (const [reason, count] of deadLetters) metrics.deadLetters.set({ queue, reason }, count)
  }
}
