/** What the worker process tells its parent. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly handlers: readonly string[] }
  /** It cannot start; `message` says what to do. */
  | { readonly kind: 'cannot-start'; readonly message: string }
  | { readonly kind: 'heartbeat' }
  /** Its metrics in Prometheus' text format. */
  | { readonly kind: 'metrics'; readonly text: string }

/** What the parent tells the worker process. */
export type ParentMessage =
  { readonly kind: 'stop'; readonly graceMs: number } | { readonly kind: 'send-metrics' }

/** The command of main.ts that runs the worker process. */
export const WORKER_COMMAND = 'worker-process'

export const HEARTBEAT_MS = 1000

/** The exit code of a worker that starts afresh because runs of a handler do not end. */
export const EXHAUSTED_EXIT_CODE = 75
