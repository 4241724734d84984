import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { post, signedDelivery, type Delivery } from './deliveries.ts'
import type { LoadResult } from './load.ts'
import { recordedRuns, recordingHandler } from './recorder.ts'
import { startRedis, type RedisServer } from './redis-server.ts'
import { startService, type Service } from './service.ts'
import { tempDir } from './temp-dir.ts'
import { waitFor } from './wait.ts'

/** `ANSWER_WITHIN` is 4 s; the rest is for a busy machine. */
export const ANSWER_LIMIT_MS = 4500
/** Redis usable again → first 200. */
export const RECOVERY_LIMIT_MS = 5000
/** What the whole service may write, whatever happens to Redis. */
export const LINES_PER_SECOND = 100
const SUCCESS_LINE = /"msg":"(webhook stored|handled)"/
const CLOCK_TICKS = 100

export interface FaultRun {
  readonly redis: RedisServer
  readonly service: Service
  /** Where the handler `recorder` notes its runs: one side of the ledger. */
  readonly runs: string
}

/** A service with one noting handler, on a Redis of its own; `url` leads to it another way than directly. */
export async function startRun(
  options: {
    redis?: RedisServer
    url?: string
    env?: NodeJS.ProcessEnv
    /** What the handler does after noting its run. */
    does?: string
    /** False when Redis cannot be used yet. */
    usable?: boolean
  } = {},
): Promise<FaultRun> {
  const redis = options.redis ?? (await startRedis())
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { REDIS_URL: options.url ?? redis.url, ...options.env },
    handlers: { 'recorder.ts': recordingHandler(runs, { does: options.does ?? '' }) },
  })
  if (options.usable ?? true) await expectRecovery(service)
  return { redis, service, runs }
}

/** A webhook is acknowledged soon, without a restart. */
export async function expectRecovery(service: Service, withinMs = RECOVERY_LIMIT_MS): Promise<void> {
  await waitFor('a webhook to be acknowledged', async () => (await send(service, signedDelivery())) === 200, {
    withinMs,
  })
}

/** Sends one delivery and returns the status. @throws when the answer is late */
export async function send(service: Service, delivery: Delivery): Promise<number> {
  const startedAt = performance.now()
  const answer = await post(service.webhookUrl, delivery)
  await answer.arrayBuffer()
  expect(performance.now() - startedAt).toBeLessThan(ANSWER_LIMIT_MS)
  return answer.status
}

/** Every request was answered, in time, with one of these and nothing else. */
export function expectAnswers({ statuses, durationsMs }: LoadResult, ...allowed: number[]): void {
  expect(allowed).toEqual(expect.arrayContaining(Object.keys(statuses).map(Number)))
  expect(Math.max(...durationsMs)).toBeLessThan(ANSWER_LIMIT_MS)
}

/** The ledger: what the sender saw acknowledged against what the handler noted. */
export async function expectHandled(
  runs: string,
  acknowledged: readonly Delivery[],
  withinMs = 30_000,
): Promise<void> {
  const ids = acknowledged.map(idOf)
  const lost = () => {
    const handled = new Set(recordedRuns(runs).map((run) => run.analysisId))
    return ids.filter((id) => !handled.has(id))
  }
  await waitFor('everything acknowledged to be handled', () => lost().length === 0, { withinMs }).catch(
    () => {},
  )
  expect(lost()).toEqual([])
}

export function idOf({ body }: Delivery): string {
  return (JSON.parse(String(body)) as { id: string }).id
}

/** Deliveries of outcomes that were never seen before. */
export function* freshDeliveries(count: number, fields: Record<string, unknown> = {}): Generator<Delivery> {
  for (let sent = 0; sent < count; sent += 1)
    yield signedDelivery({ fields: { id: randomUUID(), ...fields } })
}

/** What readiness says: `ready`, or the reason why not. */
export async function readiness(service: Service): Promise<string> {
  const answer = await fetch(`${service.url}/health/ready`)
  const { reason } = (await answer.json()) as { reason?: string }
  return answer.ok ? 'ready' : (reason ?? 'no reason')
}

export async function waitForReadiness(service: Service, state: string, withinMs = 10_000): Promise<void> {
  let last = ''
  await waitFor(
    `readiness to say ${state}`,
    async () => {
      last = await readiness(service)
      return last === state
    },
    { withinMs },
  ).catch(() => {})
  expect(last).toBe(state)
}

/** How many jobs are dead letters, in the inbox and of the handler. */
export async function deadLetters(redis: RedisServer): Promise<number> {
  return await redis.use(async (client) => {
    const sets = ['callcov:inbox:failed', 'callcov:handler-recorder:failed']
    const counts = await Promise.all(sets.map((set) => client.zcard(set)))
    return counts.reduce((sum, count) => sum + count, 0)
  })
}

export async function expectNoDeadLetters(redis: RedisServer): Promise<void> {
  expect(await deadLetters(redis)).toBe(0)
}

/** Counts what a service writes besides the one line of each success, until the test ends. */
export function watchLines(service: Service): { readonly worstSecond: number } {
  const watch = { worstSecond: 0 }
  let before = countLines(service)
  const timer = setInterval(() => {
    const now = countLines(service)
    watch.worstSecond = Math.max(watch.worstSecond, now - before)
    before = now
  }, 1000)
  onTestFinished(() => clearInterval(timer))
  return watch
}

export function countLines(service: Service): number {
  return service.output.split('\n').filter((line) => line !== '' && !SUCCESS_LINE.test(line)).length
}

/** Processor time that a process has used so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS
}

/** Waits for a while in which something is observed. */
export async function during(ms: number, isOver: () => boolean = () => false): Promise<void> {
  const end = performance.now() + ms
  await waitFor('the time to pass', () => isOver() || performance.now() >= end, { withinMs: ms + 5000 })
}
