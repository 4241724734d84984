import type { BelongingsList } from './belongings.ts'

export interface SenderTask {
  readonly url: string
  readonly secret: string
  readonly count: number
  readonly ratePerSecond: number
  /** CallCov's pauses are shortened to at most so long. */
  readonly longestPauseMs: number
  readonly ledgerFile: string
}

/** What the drill tells its sender. */
export type DrillMessage =
  | { readonly kind: 'start'; readonly task: SenderTask }
  /** From now on everything can be acknowledged. */
  | { readonly kind: 'faults-over' }
  /** What to end and to remove when the drill is gone without having done so. */
  | { readonly kind: 'belongings'; readonly list: BelongingsList }

/** What the sender tells the drill. */
export type SenderMessage =
  | { readonly kind: 'progress'; readonly acknowledged: number }
  /** The ledger is complete; `lateMs` is how late the sender itself was at worst, for lack of processor time. */
  | { readonly kind: 'done'; readonly lateMs: number }

/** One line of the ledger: what came of one attempt to deliver a webhook. */
export interface LedgerLine {
  readonly analysisId: string
  /** Unix milliseconds. */
  readonly at: number
  readonly ms: number
  /** The status, or the error code of a connection that was cut. */
  readonly answer: number | string
}
