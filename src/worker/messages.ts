/** What the worker process tells its parent. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly handlers: readonly string[] }
  /** It cannot start; `message` says what to do. */
  | { readonly kind: 'cannot-start'; readonly message: string }
  | { readonly kind: 'heartbeat' }

/** What the parent tells the worker process. */
export interface StopMessage {
  readonly kind: 'stop'
  readonly graceMs: number
}

export const HEARTBEAT_MS = 1000
