import { pino, type DestinationStream, type Logger } from 'pino'
import { safeErrorText } from './error-text.ts'
import { errorCode } from './errors.ts'
import { withinTime } from './time-limit.ts'

export type { Logger }

const FLUSH_WITHIN_MS = 500
/** Ids and codes come from whoever sends, and may be as long as a body. */
const TEXT_CHARACTERS = 256

/** A logger that writes JSON lines, with what errors say reduced to what may be logged. */
export function createLog(level: string, output: DestinationStream): Logger {
  return pino({ level, base: null, serializers: { err: describeError } }, output)
}

/** Waits until what was logged is written, but not for a reader that has stalled. */
export async function flushLog(log: Logger): Promise<void> {
  await withinTime(new Promise<void>((resolve) => log.flush(() => resolve())), FLUSH_WITHIN_MS)
}

/** An id of the provider as it may stand in a log line. */
export function idForLog(id: string | null): string | null {
  return id === null ? null : cutForLog(id)
}

/** A short text of a body as it may stand in a log line. */
export function cutForLog(text: string): string {
  return text.length <= TEXT_CHARACTERS ? text : `${text.slice(0, TEXT_CHARACTERS)}...`
}

/** An allow-list: errors of drivers carry options, commands and data that must not be logged. */
function describeError(error: unknown) {
  if (!(error instanceof Error)) return { type: typeof error }
  const code = errorCode(error)
  return { ...(code !== undefined && { code }), message: safeErrorText(error) }
}
