import { zstdCompressSync } from 'node:zlib'
import type { BenchContext } from './bench-context.ts'
import { BenchError } from './bench-error.ts'
import type { Contender } from './contenders/contender.ts'
import { installNeeds } from './contenders/installed.ts'
import { fillTemplate, makeTemplates, type BodySize } from './load/bodies.ts'
import { describeMachine } from './machine.ts'
import { measureFsync, type FsyncTimes } from './measure-fsync.ts'
import { compare } from './parts/compare.ts'
import { measureDrain, type DrainOptions } from './parts/drain.ts'
import { measureLag, type LagOptions } from './parts/lag.ts'
import { measureRecovery } from './parts/recovery.ts'
import { measureBacklog, measureReceivers } from './parts/scale.ts'
import { measureStartUp } from './parts/start-up.ts'
import { measureStoredBytes } from './parts/stored-bytes.ts'
import type { BodyFacts, Results } from './results.ts'

export const PARTS = ['accept', 'drain', 'stored', 'lag', 'recovery', 'start', 'scale'] as const
export type Part = (typeof PARTS)[number]

export interface BenchPlan {
  readonly contenders: readonly Contender[]
  readonly sizes: readonly BodySize[]
  readonly parts: readonly Part[]
  readonly rounds: number
  /** Of each load of the comparison. */
  readonly seconds: number
  readonly full: boolean
  /** Whether nothing of the core is left out. */
  readonly isComplete: boolean
}

const FSYNC_SECONDS = 1
const BACKLOG = 100_000
const LAGS: readonly LagOptions[] = [
  { size: '1.5KB', ratePerSecond: 100, seconds: 6 },
  { size: '64KB', ratePerSecond: 200, seconds: 10 },
]
const DRAINS: readonly DrainOptions[] = [
  { workers: 1, handlers: 1, deliveries: 15_000 },
  { workers: 1, handlers: 3, deliveries: 10_000 },
]
const FULL_DRAINS: readonly DrainOptions[] = [
  { workers: 2, handlers: 1, deliveries: 15_000 },
  { workers: 4, handlers: 1, deliveries: 15_000 },
  { workers: 1, handlers: 1, deliveries: BACKLOG },
]

/** Runs what is planned, one part after the other. @throws BenchError when a part cannot be measured */
export async function runBench(context: BenchContext, plan: BenchPlan): Promise<Results> {
  const startedAt = performance.now()
  const measuredAt = new Date().toISOString().slice(0, 10)
  const { parts, full } = plan
  const does = (part: Part) => parts.includes(part)
  const leftOut = does('accept') ? findLeftOut(context, plan.contenders) : []
  const machine = describeMachine(context.folder)
  const fsync = await fsyncTimes(context)
  context.say(
    `disk: ${machine.fileSystem}, fsync ${fsync.p50Ms.toFixed(2)} ms, p99 ${fsync.p99Ms.toFixed(2)} ms`,
  )

  const contenders = plan.contenders.filter(({ id }) => leftOut.every(({ contender }) => contender !== id))
  const samples = does('accept') ? await compare(context, { ...plan, contenders }) : []
  const drains = []
  for (const drain of does('drain') ? [...DRAINS, ...(full ? FULL_DRAINS : [])] : []) {
    context.say(
      `draining ${drain.deliveries} with ${drain.workers} worker(s) and ${drain.handlers} handler(s)`,
    )
    drains.push(await measureDrain(context, drain))
  }
  const lags = []
  for (const lag of does('lag') ? LAGS : []) {
    context.say(`${lag.ratePerSecond}/s of ${lag.size} for ${lag.seconds} s`)
    lags.push(await lagWithFsync(context, lag))
  }
  const receivers = []
  for (const count of does('scale') ? [1, 2] : []) {
    context.say(`${count} receiver(s)`)
    receivers.push(await measureReceivers(context, count))
  }
  return {
    measuredAt,
    rounds: plan.rounds,
    isComplete: plan.isComplete,
    machine,
    bodies: plan.sizes.map(bodyFacts),
    leftOut,
    fsync,
    samples,
    drains,
    lags,
    receivers,
    ...(does('stored') && { storedBytes: await step(context, 'memory of Redis', measureStoredBytes) }),
    ...(does('recovery') && { recovery: await step(context, 'killing the worker', measureRecovery) }),
    startUps: does('start')
      ? [await measureStartUp(context, 'receiver'), await measureStartUp(context, 'all')]
      : [],
    ...(does('scale') && {
      backlog: await step(context, `backlog of ${BACKLOG}`, (given) => measureBacklog(given, BACKLOG)),
    }),
    seconds: (performance.now() - startedAt) / 1000,
  }
}

async function step<Result>(
  context: BenchContext,
  name: string,
  measure: (context: BenchContext) => Promise<Result>,
): Promise<Result> {
  context.say(name)
  return await measure(context)
}

function findLeftOut({ say }: BenchContext, contenders: readonly Contender[]): Results['leftOut'] {
  const leftOut = contenders.flatMap((contender) => {
    const reason = installNeeds(contender)
    return reason === undefined ? [] : [{ contender: contender.id, reason }]
  })
  for (const { contender, reason } of leftOut) say(`${contender} is left out: ${reason}`)
  if (leftOut.length === contenders.length) throw new BenchError('There is nothing left to measure.')
  return leftOut
}

async function lagWithFsync(context: BenchContext, options: LagOptions) {
  const before = await fsyncTimes(context)
  const lag = await measureLag(context, options)
  const after = await fsyncTimes(context)
  return { ...lag, fsync: before.p99Ms > after.p99Ms ? before : after }
}

async function fsyncTimes({ folder, signal }: BenchContext): Promise<FsyncTimes> {
  return await measureFsync(folder, FSYNC_SECONDS, signal)
}

function bodyFacts(size: BodySize): BodyFacts {
  const [template] = makeTemplates(size)
  if (template === undefined) throw new RangeError('there is no template')
  const body = fillTemplate(template, crypto.randomUUID())
  return { size, bytes: body.length, compressedBytes: zstdCompressSync(body).length }
}
