import { fstatSync, write } from 'node:fs'
import { Socket } from 'node:net'
import type { DestinationStream } from 'pino'

const STANDARD_OUTPUT = 1
const MAX_WAITING_BYTES = 8 * 1024 * 1024
/** Under load many lines go out in one call; nobody sees that one came so late. */
const GATHER_MS = 10

/**
 * Standard output for log lines: JSON, or readable where a person watches. A reader that is slow, stalled or gone, or
 * a disk that is full, holds up neither a webhook nor the end of the process: lines are dropped instead. Pino's own
 * destination would wait for either when the process exits.
 */
export async function openLogOutput(forPerson: boolean): Promise<DestinationStream> {
  if (forPerson) {
    const { default: pretty } = await import('pino-pretty')
    const format = { ignore: 'pid,hostname', singleLine: true, translateTime: 'SYS:HH:MM:ss.l' }
    return pretty({ ...format, destination: STANDARD_OUTPUT })
  }
  const target = fstatSync(STANDARD_OUTPUT)
  return target.isFIFO() || target.isSocket() ? new PipeOutput() : new FileOutput()
}

/** Written by the event loop: a thread of the pool that is stuck in a full pipe keeps the process from ending. */
class PipeOutput implements DestinationStream {
  readonly #socket = new Socket({ fd: STANDARD_OUTPUT, readable: false, writable: true })
  #waiting = ''

  constructor() {
    // Whoever read the log is gone; the service is not to go with it.
    this.#socket.on('error', () => {})
  }

  write(line: string): void {
    if (this.#socket.destroyed || this.#socket.writableLength > MAX_WAITING_BYTES) return
    if (this.#waiting === '') setTimeout(() => this.#writeNext(), GATHER_MS)
    this.#waiting += line
  }

  flush(done: () => void): void {
    this.#writeNext()
    if (this.#socket.destroyed) done()
    else this.#socket.write('', () => done())
  }

  #writeNext(): void {
    const chunk = this.#waiting
    this.#waiting = ''
    if (chunk !== '') this.#socket.write(chunk)
  }
}

class FileOutput implements DestinationStream {
  #waiting = ''
  #isWriting = false
  #onIdle: (() => void)[] = []

  write(line: string): void {
    if (this.#waiting.length > MAX_WAITING_BYTES) return
    if (this.#waiting === '' && !this.#isWriting) setTimeout(() => this.#writeNext(), GATHER_MS)
    this.#waiting += line
  }

  flush(done: () => void): void {
    this.#writeNext()
    if (this.#isWriting) this.#onIdle.push(done)
    else done()
  }

  #writeNext(): void {
    if (this.#waiting === '' || this.#isWriting) return
    const chunk = Buffer.from(this.#waiting)
    this.#waiting = ''
    this.#isWriting = true
    this.#writeRest(chunk)
  }

  #writeRest(chunk: Buffer): void {
    write(STANDARD_OUTPUT, chunk, (error, written) => {
      // What a full disk does not take is dropped; the next lines may find room again.
      if (error === null && written < chunk.length) this.#writeRest(chunk.subarray(written))
      else {
        this.#isWriting = false
        for (const done of this.#onIdle.splice(0)) this.flush(done)
        if (this.#waiting !== '') setTimeout(() => this.#writeNext(), GATHER_MS)
      }
    })
  }
}
