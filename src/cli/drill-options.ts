import { InvalidArgumentError, Option } from 'commander'
import { rate, text, wholeNumber } from './option-values.ts'

export interface DrillCommandOptions {
  readonly minutes: number
  readonly rate?: number
  readonly count?: number
  readonly keep?: true
  readonly json?: true
  readonly entry?: string
}

const DEFAULT_RATE = 20_000 / 60
/** The shortest drill that has time for a fault. */
const MIN_MINUTES = 0.1
const MAX_MINUTES = 24 * 60
const MAX_COUNT = 10_000_000

/** The options of `drill`, in the order its help shows them. */
export function drillOptions(): Option[] {
  return [
    new Option('--minutes <n>', 'how long faults are injected').argParser(minutes).default(1),
    new Option('--rate <per-second>', 'webhooks a second (default: 333)').argParser(rate),
    new Option('--count <n>', 'webhooks in all (default: 20000 a minute, or as --rate says)').argParser(
      wholeNumber(1, MAX_COUNT),
    ),
    new Option('--keep', 'leave the folder with ledger, runs, logs and Redis data for inspection'),
    new Option('--json', 'write the report as one line of JSON'),
    new Option('--entry <path>', 'another file that runs the service, to test the drill itself')
      .argParser(text)
      .hideHelp(),
  ]
}

/** Settles what was left open: two of time, rate and count make the third. */
export function planLoad({ minutes: duration, rate: perSecond, count }: DrillCommandOptions) {
  const seconds = duration * 60
  const ratePerSecond = perSecond ?? (count === undefined ? DEFAULT_RATE : count / seconds)
  return {
    durationMs: seconds * 1000,
    ratePerSecond,
    count: count ?? Math.max(Math.round(ratePerSecond * seconds), 1),
  }
}

function minutes(value: string): number {
  const number = /^\d{1,4}(\.\d{1,3})?$/.test(value) ? Number(value) : Number.NaN
  if (number >= MIN_MINUTES && number <= MAX_MINUTES) return number
  throw new InvalidArgumentError(`It must be a number from ${MIN_MINUTES} to ${MAX_MINUTES}.`)
}
