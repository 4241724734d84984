import { join } from 'node:path'
import { prepareRequests, withSite, type BenchContext } from '../bench-context.ts'
import { BenchService } from '../contenders/service.ts'
import type { BodySize } from '../load/bodies.ts'
import { BenchRedis } from '../processes/bench-redis.ts'
import { percentilesOf, type Percentiles } from '../statistics.ts'
import { waitFor } from '../wait-for.ts'
import { readRecords, recordingHandler } from './handler-files.ts'

const WARM_UP_SECONDS = 2
const HANDLED_WITHIN_MS = 30_000

export interface LagOptions {
  readonly size: BodySize
  readonly ratePerSecond: number
  readonly seconds: number
}

export interface Lag extends LagOptions {
  readonly accepted: number
  readonly answerMs: Percentiles
  /** From the moment the answer is at the sender to the first line of the handler; below zero where that came first. */
  readonly answerToHandlerMs: Percentiles
}

/** How long answers take at a steady rate, and how long after them a handler begins. */
export async function measureLag(context: BenchContext, options: LagOptions): Promise<Lag> {
  const { size, ratePerSecond, seconds } = options
  await prepareRequests(context, 1, [size])
  return await withSite(context, async (site) => {
    const redis = await BenchRedis.start(site)
    const file = join(site.folder, 'records.txt')
    const handlers = { 'record.mjs': recordingHandler(file, 0) }
    const service = await BenchService.start(site, { role: 'all', redis, handlers })
    await service.ready()
    const task = { size, ports: [service.port], ratePerSecond }
    await context.generator.load({ ...task, seconds: WARM_UP_SECONDS, startsOver: true })
    const load = await context.generator.load({ ...task, seconds, startsOver: false, tellsAnswers: true })
    const answeredAt = new Map(load.answers)
    const lags = () =>
      readRecords(file).flatMap(({ id, atMicroseconds }) => {
        const answered = answeredAt.get(id)
        return answered === undefined ? [] : [(atMicroseconds - answered) / 1000]
      })
    await waitFor('the handler', () => lags().length >= load.accepted, {
      withinMs: HANDLED_WITHIN_MS,
      signal: site.signal,
      everyMs: 100,
    })
    await service.stop()
    await redis.stop()
    return {
      ...options,
      accepted: load.accepted,
      answerMs: load.latencyMs,
      answerToHandlerMs: percentilesOf(lags()),
    }
  })
}
