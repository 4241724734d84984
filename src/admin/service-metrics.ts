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
  const { queueJobs, queueOldestSeconds, handlerPaused, deadLetters: dead } = metrics
  for (const gauge of [queueJobs, queueOldestSeconds, handlerPaused, dead]) gauge.reset()
  for (const { queue, handler, isPaused, jobs, oldestSeconds, deadLetters } of stats ?? []) {
    if (handler !== null) handlerPaused.set({ handler }, isPaused ? 1 : 0)
    for (const [state, count] of Object.entries(jobs)) queueJobs.set({ queue, state }, count)
    queueOldestSeconds.set({ queue }, oldestSeconds)
    for (const [reason, count] of deadLetters) dead.set({ queue, reason }, count)
  }
}
