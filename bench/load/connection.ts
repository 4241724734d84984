import { connect, type Socket } from 'node:net'
import { readAnswer } from './read-answer.ts'
import { COPY_UP_TO_BYTES, type SignedRequest } from './signed-requests.ts'

const RECEIVE_BYTES = 4096
const RECONNECT_AFTER_MS = 10

/** A request whose connection was lost before its answer came. */
export const NO_ANSWER = 0

/**
 * A kept-alive connection that carries one request at a time. It writes sockets and not Node's HTTP client, which
 * takes as much of a processor as the server that is measured.
 */
export class Connection {
  readonly #port: number
  readonly #onIdle: (connection: Connection) => void
  readonly #scratch = Buffer.allocUnsafe(COPY_UP_TO_BYTES)
  readonly #received = Buffer.allocUnsafe(RECEIVE_BYTES)
  #socket: Socket | undefined
  #text = ''
  #onAnswer: ((status: number) => void) | undefined
  #isClosed = false

  /** @param onIdle called whenever it could carry a request, the first time when it is connected */
  constructor(port: number, onIdle: (connection: Connection) => void) {
    this.#port = port
    this.#onIdle = onIdle
    this.#connect()
  }

  /** Sends a request; `onAnswer` is called with the status of the answer, or with NO_ANSWER. */
  send({ start, rest }: SignedRequest, onAnswer: (status: number) => void): void {
    this.#onAnswer = onAnswer
    const bytes = start.length + rest.length
    if (bytes <= COPY_UP_TO_BYTES) {
      start.copy(this.#scratch)
      rest.copy(this.#scratch, start.length)
      this.#socket?.write(this.#scratch.subarray(0, bytes))
      return
    }
    this.#socket?.cork()
    this.#socket?.write(start)
    this.#socket?.write(rest)
    this.#socket?.uncork()
  }

  close(): void {
    this.#isClosed = true
    this.#socket?.destroy()
  }

  #connect(): void {
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: this.#received,
        callback: (length) => {
          this.#read(this.#received.toString('latin1', 0, length))
          return true
        },
      },
    })
    this.#socket = socket
    this.#text = ''
    socket.on('connect', () => this.#onIdle(this))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#finish(NO_ANSWER)
      if (!this.#isClosed) setTimeout(() => this.#connect(), RECONNECT_AFTER_MS)
    })
  }

  #read(text: string): void {
    this.#text += text
    const answer = readAnswer(this.#text)
    if (answer === undefined) return
    this.#text = ''
    this.#finish(answer.status)
    if (this.#isClosed) return
    if (answer.keepsAlive) this.#onIdle(this)
    else this.#socket?.destroy()
  }

  #finish(status: number): void {
    const onAnswer = this.#onAnswer
    this.#onAnswer = undefined
    onAnswer?.(status)
  }
}
