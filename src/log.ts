import { pino, type DestinationStream, type Logger } from 'pino'
import { errorCode } from './errors.ts'

export type { Logger }

/** Longest text of an error in a log line; drivers quote the data they failed on in longer ones. */
const ERROR_TEXT_CHARACTERS = 300

/**
 * JSON lines on standard output, or readable ones where a person watches. Writing is asynchronous, and lines are
 * dropped rather than kept once the reader is far behind, so that a stalled pipe never holds up a webhook.
 */
export async function createLog(options: { level: string; pretty: boolean }): Promise<Logger> {
  return pino(
    { level: options.level, base: null, serializers: { err: describeError } },
    await output(options),
  )
}

async function output(options: { pretty: boolean }): Promise<DestinationStream> {
  if (options.pretty) {
    const { default: pretty } = await import('pino-pretty')
    return pretty({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', destination: 1 })
  }
  const destination = pino.destination({ dest: 1, sync: false, maxLength: 8 * 1024 * 1024 })
  // A closed standard output must not end the service.
  destination.on('error', () => {})
  return destination
}

/** An allow-list: errors of drivers carry options, commands and data that must not be logged. */
function describeError(error: unknown) {
  if (!(error instanceof Error)) return { type: typeof error }
  const code = errorCode(error)
  return {
    type: error.name,
    ...(code !== undefined && { code }),
    message: error.message.slice(0, ERROR_TEXT_CHARACTERS),
  }
}
