import type { Percentiles } from '../statistics.ts'
import type { BodySize } from './bodies.ts'

/** What the process that makes the load is asked for. */
export type GeneratorTask =
  | { readonly kind: 'prepare'; readonly size: BodySize; readonly count: number }
  | ({ readonly kind: 'load' } & LoadTask)

export interface LoadTask {
  readonly size: BodySize
  /** Of the servers, which the connections are shared out among. */
  readonly ports: readonly number[]
  /** Over when either is reached, or the prepared requests are used up. */
  readonly seconds: number
  readonly count?: number
  /** Requests start on this schedule, and answers count from it; without, each as soon as a connection is free. */
  readonly ratePerSecond?: number
  /** Whether to begin with the first of the prepared requests again, as for a server that has not seen them. */
  readonly startsOver: boolean
  /** Whether to tell when each was answered. */
  readonly tellsAnswers?: true
}

export interface LoadResult {
  readonly accepted: number
  /** Answers other than 200, by status; 0 stands for a lost connection. */
  readonly others: Readonly<Record<string, number>>
  /** From the first request to the last answer. */
  readonly seconds: number
  readonly latencyMs: Percentiles
  /** Of this process. */
  readonly generatorCpuSeconds: number
  /** Analysis ids, and when the answer was there, in microseconds of the machine's monotonic clock. */
  readonly answers: readonly (readonly [id: string, atMicroseconds: number])[]
}

export type GeneratorMessage =
  { readonly kind: 'prepared' } | { readonly kind: 'loaded'; readonly result: LoadResult }
