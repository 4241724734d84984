import { safeErrorText } from '../error-text.ts'
import { formatReason, type FailureReason } from '../inbox/dead-letters.ts'
import { hasTargetFailed, isPermanent, retryAfterMs } from '../handlers/handler-errors.ts'

const TEXT_CHARACTERS = 500
const STACK_FRAMES = 5

/** The one error that leaves a job of ours: BullMQ gives a meaning of its own to many others, `null` among them. */
export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure'
  readonly reason: FailureReason
  /** The message without the reason. */
  readonly text: string
  /** No further attempt can help. */
  readonly final: boolean
  /** The delay a handler asked for. */
  readonly delayMs: number | undefined
  /** The target failed, although a delay was asked for. */
  readonly targetFailed: boolean
  /** Set once it is decided that, and when, there will be another attempt. */
  retryInMs: number | undefined

  constructor(
    reason: FailureReason,
    text: string,
    options: {
      final?: boolean
      delayMs?: number | undefined
      targetFailed?: boolean
      stack?: string
    } = {},
  ) {
    const cut = text.slice(0, TEXT_CHARACTERS)
    super(formatReason(reason, cut))
    this.reason = reason
    this.text = cut
    this.final = options.final ?? false
    this.delayMs = options.delayMs
    this.targetFailed = options.targetFailed ?? false
    // Only where it happened: BullMQ stores the stack, whose first lines repeat the message uncut.
    this.stack = options.stack ?? ''
  }
}

/** Turns whatever a handler threw into a failure with a readable reason; never throws itself. */
export function describeThrown(thrown: unknown): AttemptFailure {
  try {
    if (typeof thrown !== 'object' || thrown === null) {
      return new AttemptFailure(
        'failed',
        `the handler threw ${typeof thrown === 'string' ? thrown : String(thrown)}`,
      )
    }
    const { stack } = thrown as Partial<Error>
    const text = safeErrorText(thrown)
    const options = { stack: typeof stack === 'string' ? frames(stack) : '' }
    if (isPermanent(thrown)) {
      return new AttemptFailure('permanent', text.replace(/^PermanentError: /, ''), {
        ...options,
        final: true,
      })
    }
    return new AttemptFailure('failed', text, {
      ...options,
      delayMs: retryAfterMs(thrown),
      targetFailed: hasTargetFailed(thrown),
    })
  } catch {
    // A getter or a proxy that throws in its turn.
    return new AttemptFailure('failed', 'the handler threw something that cannot be read')
  }
}

function frames(stack: string): string {
  const lines = stack.slice(0, 20_000).split('\n')
  return lines
    .filter((line) => line.startsWith('    at '))
    .slice(0, STACK_FRAMES)
    .join('\n')
}
