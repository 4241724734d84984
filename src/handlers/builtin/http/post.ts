import { lookup as systemLookup } from 'node:dns'
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { errorCode } from '../../../errors.ts'
import { guardedLookup, RefusedAddressError } from './guarded-lookup.ts'
import { AddressGuard } from './private-addresses.ts'
import { targetUrlProblem } from './target-url.ts'

const MAX_ANSWER_BYTES = 64 * 1024
const MAX_HEADER_BYTES = 16 * 1024
/** Shorter than what most servers keep an idle connection for: one that they close meanwhile fails a request. */
const IDLE_MS = 4000

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** As it came, without decompression, cut after 64 KiB. */
  readonly text: string
}

export interface HttpRequest {
  readonly headers: Record<string, string>
  readonly body: Buffer
  /** From the lookup of the name to the last byte of the answer. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/**
 * Posts to addresses that are somebody else's: follows no redirect, uses no proxy of the environment, insists on
 * certificates, and connects to no private address but the allowed ones.
 */
export class HttpClient {
  readonly #guard: AddressGuard | undefined
  readonly #http: HttpAgent
  readonly #https: HttpsAgent

  constructor(options: {
    /** Connections at once to one origin. */
    readonly maxSockets: number
    /** Names of hosts, addresses and networks that may be private; `any` allows all. */
    readonly allowPrivate: 'any' | readonly string[]
    /** How names become addresses. @default the lookup of the system */
    readonly lookup?: LookupFunction
  }) {
    const { maxSockets, allowPrivate, lookup = systemLookup } = options
    this.#guard = allowPrivate === 'any' ? undefined : new AddressGuard(allowPrivate)
    const agentOptions = {
      keepAlive: true,
      maxSockets,
      timeout: IDLE_MS,
      // A proxy would connect to what was not checked here.
      proxyEnv: {},
      lookup: this.#guard === undefined ? lookup : guardedLookup(lookup, this.#guard),
    }
    this.#http = new HttpAgent(agentOptions)
    // Said here, it outweighs NODE_TLS_REJECT_UNAUTHORIZED.
    this.#https = new HttpsAgent({ ...agentOptions, rejectUnauthorized: true })
  }

  /**
   * Resolves with any answer, whatever its status.
   * @throws errors whose texts name the host and nothing else of the address: the rest may hold a token
   */
  async post(url: string, { headers, body, timeoutMs, signal }: HttpRequest): Promise<HttpAnswer> {
    const target = this.#checked(url)
    const isTls = target.protocol === 'https:'
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
    const options = { method: 'POST', headers, maxHeaderSize: MAX_HEADER_BYTES }
    const request = isTls
      ? httpsRequest(target, { ...options, agent: this.#https })
      : httpRequest(target, { ...options, agent: this.#http })
    const timer = setTimeout(
      () => reject(new Error(`${target.hostname} did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    const onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    let response: IncomingMessage | undefined
    request.on('response', (begun) => {
      response = begun
      readAnswer(begun).then(resolve, (error: unknown) => reject(failure(target.hostname, error)))
    })
    request.on('error', (error) => reject(failure(target.hostname, error)))
    request.on('close', () => {
      // As after an upgrade that nobody asked for.
      if (response === undefined) reject(failure(target.hostname))
    })
    request.end(body)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      // The connection is of no more use when the answer was cut, or came before the whole body was sent.
      if (response?.complete !== true || !request.writableFinished) request.destroy()
    }
  }

  /** Closes the connections, those in use too. */
  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  #checked(url: string): URL {
    const problem = targetUrlProblem(url)
    if (problem !== undefined) throw new TypeError(`the target ${problem}`)
    const target = new URL(url)
    // No lookup is asked for an address.
    const address = target.hostname.replaceAll(/[[\]]/g, '')
    if (isIP(address) !== 0 && this.#guard?.isRefused(address, address) === true) {
      throw new RefusedAddressError(address, address)
    }
    return target
  }
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    // Leaving the loop closes the connection.
    if (bytes >= MAX_ANSWER_BYTES) break
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}

/** Keeps nothing but the code: the errors of HTTP hold addresses, and parts of the answer. */
function failure(host: string, error?: unknown): Error {
  if (error instanceof RefusedAddressError) return error
  const code = errorCode(error)
  return new Error(
    `${host} could not be reached or broke off its answer${code === undefined ? '' : ` (${code})`}`,
  )
}
