import type { BodySize } from './load/bodies.ts'
import { ratioOf, samplesOf, type Results } from './results.ts'
import { spreadOf } from './statistics.ts'

const MB = 1e6
const KIB = 1024
/** Of the time that answers may take beyond three fsyncs. */
const ANSWER_ALLOWANCE_MS = 10

export interface Target {
  readonly name: string
  readonly bound: 'at least' | 'at most'
  readonly limit: number
  /** `undefined` when this run did not measure it. */
  readonly measured: number | undefined
  readonly unit: 'times' | '/s' | 'ms' | 's' | 'bytes' | 'MB'
}

export type Verdict = 'met' | 'NOT met' | 'not measured'

export function judge({ bound, limit, measured }: Target): Verdict {
  if (measured === undefined || Number.isNaN(measured)) return 'not measured'
  return (bound === 'at least' ? measured >= limit : measured <= limit) ? 'met' : 'NOT met'
}

/** What the project has set itself, and what this run says of it. */
export function evaluateTargets(results: Results): Target[] {
  return [
    ...acceptTargets(results),
    ...drainTargets(results),
    ...timeTargets(results),
    ...redisTargets(results),
    ...memoryTargets(results),
  ]
}

function acceptTargets({ samples }: Results): Target[] {
  const ratio = (size: BodySize, contender: string, other: string, limit: number): Target => ({
    name: `${size}: \`${contender}\` accepts, compared with \`${other}\``,
    bound: 'at least',
    limit,
    measured: ratioOf(samples, size, contender, other)?.median,
    unit: 'times',
  })
  return [
    ratio('1.5KB', 'receiver', 'flask', 5),
    ratio('1.5KB', 'receiver', 'webhook', 1.2),
    ratio('1.5KB', 'receiver', 'express', 1.5),
    ratio('1.5KB', 'receiver', 'limit', 0.55),
    ratio('64KB', 'receiver', 'limit', 0.85),
    ratio('1MB', 'receiver', 'limit', 0.85),
    ratio('1.5KB', 'all', 'receiver', 0.4),
  ]
}

function drainTargets({ drains }: Results): Target[] {
  return (
    [
      [1, 2500],
      [3, 1500],
    ] as const
  ).map(([handlers, limit]) => ({
    name: `one worker drains, with ${handlers === 1 ? 'one handler' : `${handlers} handlers`}`,
    bound: 'at least',
    limit,
    measured: drains.find((drain) => drain.handlers === handlers && drain.workers === 1)?.deliveriesPerSecond,
    unit: '/s',
  }))
}

function timeTargets({ lags, startUps }: Results): Target[] {
  const lag = lags.find(({ size }) => size === '64KB')
  return [
    {
      name: '200/s of 64KB: p99 of the answer (three times that of fsync, and 10 ms)',
      bound: 'at most',
      limit: 3 * (lag?.fsync.p99Ms ?? Number.NaN) + ANSWER_ALLOWANCE_MS,
      measured: lag?.answerMs.p99,
      unit: 'ms',
    },
    {
      name: '200/s of 64KB: p99 from the answer to the handler',
      bound: 'at most',
      limit: 100,
      measured: lag?.answerToHandlerMs.p99,
      unit: 'ms',
    },
    ...(['receiver', 'all'] as const).map((wanted): Target => ({
      name: `\`${wanted}\` is ready after a warm start`,
      bound: 'at most',
      limit: 1.5,
      measured: startUps.find(({ role }) => role === wanted)?.readySeconds.median,
      unit: 's',
    })),
  ]
}

function redisTargets({ storedBytes, drains }: Results): Target[] {
  const drain = drains.find(({ handlers }) => handlers === 3)
  return [
    {
      name: 'Redis: a remembered outcome',
      bound: 'at most',
      limit: 300,
      measured: storedBytes?.rememberedOutcome,
      unit: 'bytes',
    },
    {
      name: 'Redis: a finished delivery with three handlers, besides its encoded body',
      bound: 'at most',
      limit: 3 * KIB,
      measured: drain && drain.bytes.finished - drain.bytes.encodedBody,
      unit: 'bytes',
    },
    {
      name: 'Redis: a waiting delivery of 64KB',
      bound: 'at most',
      limit: 16 * KIB,
      measured: storedBytes?.waitingLarge,
      unit: 'bytes',
    },
  ]
}

function memoryTargets({ samples, drains }: Results): Target[] {
  const peaks = (contender: string, part: string) => {
    const found = samplesOf(samples, contender, '1.5KB').map(
      ({ parts }) => parts[part]?.peakBytes ?? Number.NaN,
    )
    return found.length === 0 ? [] : [spreadOf(found).median]
  }
  const most = (bytes: readonly number[]) => (bytes.length === 0 ? undefined : Math.max(...bytes) / MB)
  return [
    {
      name: 'the receiver under full load of 1.5KB, resident at most',
      bound: 'at most',
      limit: 220,
      measured: most(peaks('receiver', 'receiver')),
      unit: 'MB',
    },
    {
      name: 'the worker meanwhile or draining, resident at most',
      bound: 'at most',
      limit: 200,
      measured: most([...peaks('all', 'worker'), ...drains.map(({ workerPeakBytes }) => workerPeakBytes)]),
      unit: 'MB',
    },
  ]
}
