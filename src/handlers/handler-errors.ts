import ms, { type StringValue } from 'ms'

/** Handlers may carry a copy of these classes of their own, so a mark decides and not `instanceof`. */
const PERMANENT = Symbol.for('callcov-webhook-receiver.permanent')
const RETRY_AFTER_MS = Symbol.for('callcov-webhook-receiver.retryAfterMs')
const TARGET_FAILED = Symbol.for('callcov-webhook-receiver.targetFailed')

/** Thrown by a handler that will never succeed with this delivery: it becomes a dead letter at once. */
export class PermanentError extends Error {
  override readonly name = 'PermanentError'
  readonly [PERMANENT] = true
}

/** Thrown by a handler that knows when to come again, like `new RetryLater('10m')`; it uses up an attempt. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater'
  readonly [RETRY_AFTER_MS]: number
  readonly [TARGET_FAILED]: boolean

  /** @param delay a time with its unit, or milliseconds */
  constructor(
    delay: StringValue | number,
    message = 'asked to come again later',
    options: ErrorOptions & {
      /** The target is out of service, so that the breaker counts the run as failed. @default false */
      readonly targetFailed?: boolean
    } = {},
  ) {
    super(message, options)
    this[TARGET_FAILED] = options.targetFailed ?? false
    const delayMs = typeof delay === 'number' ? delay : ms(delay)
    if (!Number.isFinite(delayMs) || delayMs < 0) throw new TypeError(`RetryLater takes a time like '10m'`)
    this[RETRY_AFTER_MS] = delayMs
  }
}

export function isPermanent(error: object): boolean {
  return PERMANENT in error
}

export function retryAfterMs(error: object): number | undefined {
  const delayMs = (error as { [RETRY_AFTER_MS]?: unknown })[RETRY_AFTER_MS]
  return typeof delayMs === 'number' ? delayMs : undefined
}

/** Whether what was thrown with a delay says all the same that the target failed. */
export function hasTargetFailed(error: object): boolean {
  return (error as { [TARGET_FAILED]?: unknown })[TARGET_FAILED] === true
}
