import { prepareRequests, withSite, type BenchContext } from '../bench-context.ts'
import type { Contender, RunningContender } from '../contenders/contender.ts'
import { startContender } from '../contenders/start-contender.ts'
import type { BodySize } from '../load/bodies.ts'
import type { LoadResult } from '../load/messages.ts'
import type { Site } from '../processes/bench-process.ts'
import { forgetPeaks, usageOf, type Usage } from '../processes/process-usage.ts'
import { waitFor } from '../wait-for.ts'

/** Until the code that all sizes go through has been compiled: the receiver was seen to get half as fast again. */
const FIRST_WARM_UP_SECONDS = 2.5
const WARM_UP_SECONDS = 0.5
/** Of the first size; the others compare the same with fewer and longer requests. */
const LATER_SHARE = 0.75
/** Of what was accepted, so that the next load meets a contender that has nothing else to do. */
const WORKED_OFF_WITHIN_MS = 60_000
const LOOK_EVERY_MS = 100

export interface CompareOptions {
  readonly contenders: readonly Contender[]
  readonly sizes: readonly BodySize[]
  readonly rounds: number
  /** Of each load, the warm-up not counted. */
  readonly seconds: number
}

/** One load on one contender. */
export interface Sample {
  readonly contender: string
  readonly size: BodySize
  readonly round: number
  readonly load: LoadResult
  readonly acceptedPerSecond: number
  /** By the name of the part. */
  readonly parts: Readonly<Record<string, PartUsage>>
}

export interface PartUsage {
  /** Processor time for each accepted webhook. */
  readonly cpuMicroseconds: number
  readonly restBytes: number
  readonly peakBytes: number
}

/** Loads the contenders in turn, round after round, each of them started anew with an empty Redis. */
export async function compare(context: BenchContext, options: CompareOptions): Promise<Sample[]> {
  const { contenders, sizes, rounds, seconds } = options
  for (const size of sizes) await prepareRequests(context, seconds + warmUpSeconds(size, sizes), [size])
  const samples: Sample[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders) {
      const measured = await withSite(context, (site) => measure(context, contender, site, options))
      for (const sample of measured) samples.push({ ...sample, round })
      const rates = measured.map(
        ({ size, acceptedPerSecond }) => `${Math.round(acceptedPerSecond)}/s of ${size}`,
      )
      context.say(`round ${round} of ${rounds}, ${contender.id}: ${rates.join(', ')}`)
    }
  }
  return samples
}

async function measure(
  context: BenchContext,
  contender: Contender,
  site: Site,
  { sizes, seconds }: CompareOptions,
): Promise<Omit<Sample, 'round'>[]> {
  const running = await startContender(contender, site)
  const rest = usageOf(running.parts)
  const samples: Omit<Sample, 'round'>[] = []
  for (const size of sizes) {
    const task = { size, ports: [running.port] }
    await context.generator.load({ ...task, seconds: warmUpSeconds(size, sizes), startsOver: true })
    forgetPeaks(running.parts)
    const before = usageOf(running.parts)
    const load = await context.generator.load({
      ...task,
      seconds: size === sizes[0] ? seconds : seconds * LATER_SHARE,
      startsOver: false,
    })
    const after = usageOf(running.parts)
    running.expectAlive()
    samples.push({
      contender: contender.id,
      size,
      load,
      acceptedPerSecond: load.accepted / load.seconds,
      parts: Object.fromEntries(
        running.parts.map(({ name }) => [
          name,
          describeUsage(
            { rest: rest.get(name), before: before.get(name), after: after.get(name) },
            load.accepted,
          ),
        ]),
      ),
    })
    await workOff(running, context.signal)
  }
  await running.stop()
  return samples
}

function warmUpSeconds(size: BodySize, [first]: readonly BodySize[]): number {
  return size === first ? FIRST_WARM_UP_SECONDS : WARM_UP_SECONDS
}

function describeUsage(
  { rest, before, after }: Record<'rest' | 'before' | 'after', Usage | undefined>,
  accepted: number,
): PartUsage {
  const cpuSeconds = (after?.cpuSeconds ?? 0) - (before?.cpuSeconds ?? 0)
  return {
    cpuMicroseconds: (cpuSeconds * 1e6) / accepted,
    restBytes: rest?.residentBytes ?? 0,
    peakBytes: after?.peakBytes ?? 0,
  }
}

async function workOff(running: RunningContender, signal: AbortSignal): Promise<void> {
  const isOver = async () => ((await running.countBacklog?.()) ?? 0) === 0
  await waitFor('the backlog to be worked off', isOver, {
    withinMs: WORKED_OFF_WITHIN_MS,
    signal,
    everyMs: LOOK_EVERY_MS,
  })
}
