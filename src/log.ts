import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { pino, type DestinationStream, type Logger } from 'pino'
import { safeErrorText } from './error-text.ts'
import { errorCode } from './errors.ts'
import { withinTime } from './time-limit.ts'

export type { Logger }

const STANDARD_OUTPUT = 1
const MAX_WAITING_BYTES = 8 * 1024 * 1024
const FLUSH_WITHIN_MS = 500

/**
 * JSON lines on standard output, or readable ones where a person watches. A reader that is slow, stalled or gone
 * holds up neither a webhook nor the end of the process: lines are dropped once it is far behind.
 */
export async function createLog(options: { level: string; pretty: boolean }): Promise<Logger> {
  const stream = options.pretty ? await prettyOutput() : jsonOutput()
  return pino({ level: options.level, base: null, serializers: { err: describeError } }, stream)
}

/** Waits until what was logged is written, but not for a reader that has stalled. */
export async function flushLog(log: Logger): Promise<void> {
  await withinTime(new Promise<void>((resolve) => log.flush(() => resolve())), FLUSH_WITHIN_MS)
}

async function prettyOutput(): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    ignore: 'pid,hostname',
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    destination: STANDARD_OUTPUT,
  })
}

function jsonOutput(): DestinationStream {
  const target = fstatSync(STANDARD_OUTPUT)
  if (target.isFIFO() || target.isSocket()) return new PipeOutput()
  return pino.destination({ dest: STANDARD_OUTPUT, sync: false, maxLength: MAX_WAITING_BYTES })
}

/**
 * A pipe written to by the event loop. Pino's own destination writes in the thread pool, and a thread that is stuck
 * in a full pipe keeps the process from ending, as Node waits for its threads.
 */
class PipeOutput implements DestinationStream {
  readonly #socket = new Socket({ fd: STANDARD_OUTPUT, readable: false, writable: true })
  #isCorked = false

  constructor() {
    // Whoever read the log is gone; the service is not to go with it.
    this.#socket.on('error', () => {})
  }

  write(line: string): void {
    if (this.#socket.destroyed || this.#socket.writableLength > MAX_WAITING_BYTES) return
    // All lines of one turn of the event loop go out in one call.
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      setImmediate(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(line)
  }

  flush(done: () => void): void {
    if (this.#socket.destroyed) done()
    else this.#socket.write('', () => done())
  }
}

/** An allow-list: errors of drivers carry options, commands and data that must not be logged. */
function describeError(error: unknown) {
  if (!(error instanceof Error)) return { type: typeof error }
  const code = errorCode(error)
  return { ...(code !== undefined && { code }), message: safeErrorText(error) }
}
