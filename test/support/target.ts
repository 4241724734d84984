import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { waitFor } from './wait.ts'

/** What a target does with the requests it reads. */
export type Behaviour =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string | Buffer
      readonly afterMs?: number
    }
  | { readonly kind: 'hang up' | 'silence' | 'endless answer' }

export const OK: Behaviour = { kind: 'answer', status: 204 }

export interface TargetRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** Milliseconds since 1970. */
  readonly at: number
  /** What was answered; `undefined` when nothing was. */
  readonly status: number | undefined
}

const CHUNK = Buffer.alloc(16 * 1024, 'x')

/** An HTTP service that somebody forwards to, whose behaviour a test changes while it runs. */
export class Target {
  behaviour: Behaviour | ((request: TargetRequest) => Behaviour) = OK
  /** All requests that were read to their end, in that order. */
  readonly requests: TargetRequest[] = []
  /** How many connections were made so far. */
  connections = 0
  /** The most connections that were open at once. */
  mostOpen = 0
  readonly #server: Server
  readonly #scheme: 'http' | 'https'
  readonly #open = new Set<Socket>()
  #port = 0

  constructor(tls?: ServerOptions) {
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      // The client hung up while it sent.
      this.#serve(request, response).catch(() => response.destroy())
    }
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server = tls === undefined ? createHttpServer(onRequest) : createHttpsServer(tls, onRequest)
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1
      this.#open.add(socket)
      this.mostOpen = Math.max(this.mostOpen, this.#open.size)
      socket.on('close', () => this.#open.delete(socket))
    })
  }

  /** Ends in a path and a query that must not turn up in any log. */
  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}/hook?token=TARGETCANARY`
  }

  get port(): number {
    return this.#port
  }

  get openConnections(): number {
    return this.#open.size
  }

  /** The requests that were answered with success. */
  get taken(): TargetRequest[] {
    return this.requests.filter(({ status = 0 }) => status >= 200 && status < 300)
  }

  /** Takes connections; after `refuse` on the same port again. */
  async listen(): Promise<void> {
    await waitFor(`port ${this.#port}`, async () => {
      this.#server.listen(this.#port, '127.0.0.1')
      await once(this.#server, 'listening')
      return true
    })
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Closes every connection and takes no more. */
  async refuse(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(incoming)
    const request = { path: incoming.url ?? '', headers: incoming.headers, body, at: Date.now() }
    const { behaviour } = this
    const unanswered = { ...request, status: undefined }
    const reaction = typeof behaviour === 'function' ? behaviour(unanswered) : behaviour
    this.requests.push(reaction.kind === 'answer' ? { ...request, status: reaction.status } : unanswered)
    if (reaction.kind === 'hang up') incoming.socket.resetAndDestroy()
    else if (reaction.kind === 'endless answer') pourInto(response)
    else if (reaction.kind === 'answer') {
      const answer = () => response.writeHead(reaction.status, reaction.headers).end(reaction.body)
      if (reaction.afterMs === undefined) answer()
      else setTimeout(answer, reaction.afterMs)
    }
  }
}

function pourInto(response: ServerResponse): void {
  const pour = () => {
    while (response.write(CHUNK));
  }
  response.writeHead(200).on('drain', pour)
  pour()
}

/** Starts a target on a free port; it ends with the test. */
export async function startTarget(behaviour: Target['behaviour'] = OK, tls?: ServerOptions): Promise<Target> {
  const target = new Target(tls)
  target.behaviour = behaviour
  await target.listen()
  onTestFinished(() => target.refuse())
  return target
}
