import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { UnavailableError, type UnavailableReason } from '../errors.ts'
import type { Logger } from '../log.ts'
import { deliveryId } from './delivery-id.ts'
import { encodeBody, encodeMetadata, ENVELOPE_VERSION, type Metadata } from './envelope.ts'
import { addJob, INBOX_QUEUE, openQueue } from './queues.ts'
import type { PayloadKeys } from './payload-keys.ts'
import type { Readiness } from './readiness.ts'
import { gatherCommands } from './redis-connection.ts'

/** What becomes of a webhook that is authentic. */
export type AcceptOutcome = 'accepted' | 'duplicate' | 'conflict' | 'unrecognised'

export interface AuthenticWebhook {
  /** Fresh for every request: it makes the job id, which makes a repeated command harmless. */
  readonly requestId: string
  readonly source: string
  /** `undefined` when the body names no known outcome. */
  readonly identity: { readonly id: string; readonly outcome: string; readonly type: string } | undefined
  readonly rawBody: Buffer
  readonly bodySha256: string
}

/** Redis keeps about this much of a waiting delivery besides its body, for the memory mark. */
const OVERHEAD_BYTES = 2048
const DIGEST_CHARACTERS = 16
/** From here ioredis takes longer to measure and join a text than it takes to copy it: a tenth of accepting 1 MB. */
const COPY_FROM_CHARACTERS = 64 * 1024

/**
 * Keeps webhooks. One Lua call of BullMQ both remembers the outcome and queues the body, so that no crash can
 * come between the two.
 */
export class Inbox {
  readonly #redis: Redis
  readonly #readiness: Readiness
  readonly #queue: Queue
  readonly #dedupeTtlMs: number
  readonly #keys: PayloadKeys

  constructor(options: {
    /** The caller's, who closes it. */
    redis: Redis
    readiness: Readiness
    prefix: string
    dedupeTtlMs: number
    keys: PayloadKeys
    log: Logger
  }) {
    this.#redis = options.redis
    this.#readiness = options.readiness
    this.#dedupeTtlMs = options.dedupeTtlMs
    this.#keys = options.keys
    this.#queue = openQueue(INBOX_QUEUE, options)
  }

  /**
   * Resolves once the webhook is stored, or known to be stored already.
   * @throws UnavailableError when it is not, or not surely, within the time; `reason` says why. It may be
   * stored all the same: the sender's next try is then a duplicate.
   */
  async accept(webhook: AuthenticWebhook, withinMs: number): Promise<AcceptOutcome> {
    const refusal = this.#readiness.refusal()
    if (refusal !== undefined) throw new UnavailableError(refusal)
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new UnavailableError('redis-unreachable')), withinMs)
    try {
      return await Promise.race([this.#store(webhook), late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #store(webhook: AuthenticWebhook): Promise<AcceptOutcome> {
    const { source, identity, bodySha256 } = webhook
    if (identity === undefined) {
      const isNew = await this.#add(webhook, deliveryId(source, bodySha256, 'unrecognised'))
      return isNew.added ? 'unrecognised' : 'duplicate'
    }
    const outcome = await this.#add(webhook, deliveryId(source, identity.id, identity.outcome))
    if (outcome.added) return 'accepted'
    if (outcome.firstDigest === bodySha256.slice(0, DIGEST_CHARACTERS)) return 'duplicate'
    // The same outcome with another body: kept once for a person to look at, never handed on by itself.
    const conflictId = deliveryId(source, identity.id, `${identity.outcome} ${bodySha256}`)
    const conflict = await this.#add(webhook, conflictId, 'conflict')
    return conflict.added ? 'conflict' : 'duplicate'
  }

  async #add(webhook: AuthenticWebhook, dedupeId: string, hold?: Metadata['hold']) {
    const { data, ...encoded } = await encodeBody(webhook.rawBody, this.#keys)
    const name = encodeMetadata({
      version: ENVELOPE_VERSION,
      source: webhook.source,
      type: webhook.identity?.type ?? null,
      id: webhook.identity?.id ?? null,
      receivedAt: Date.now(),
      bytes: webhook.rawBody.length,
      sha256: webhook.bodySha256,
      ...encoded,
      origin: 'webhook',
      ...(hold !== undefined && { hold }),
    })
    // The digest travels in the job id, because that is all a duplicate learns of the first one.
    const jobId = `${webhook.requestId}-${webhook.bodySha256.slice(0, DIGEST_CHARACTERS)}`
    try {
      const deduplication = { id: dedupeId, ttl: this.#dedupeTtlMs }
      gatherCommands(this.#redis)
      const storedId = await addJob(this.#queue, { jobId, name, data: jsonText(data), deduplication })
      this.#readiness.countAccepted(data.length + name.length + OVERHEAD_BYTES)
      return { added: storedId === jobId, firstDigest: storedId.slice(-DIGEST_CHARACTERS) }
    } catch (error) {
      const reason = storeFailure(error)
      if (isReply(error)) this.#readiness.noteRefused(reason, error)
      throw new UnavailableError(reason, error)
    }
  }
}

/** Base64 text as a JSON string. */
function jsonText(base64: string): string | Buffer {
  if (base64.length < COPY_FROM_CHARACTERS) return `"${base64}"`
  const json = Buffer.alloc(base64.length + 2, '"')
  json.write(base64, 1, 'latin1')
  return json
}

/** Redis' error replies begin with a code in capitals. */
function storeFailure(error: unknown): UnavailableReason {
  const code = error instanceof Error ? (/^[A-Z]+/.exec(error.message)?.[0] ?? '') : ''
  if (code === 'OOM') return 'overloaded'
  if (code === 'LOADING') return 'redis-loading'
  if (code === 'READONLY') return 'redis-read-only'
  if (code === 'MISCONF' || code === 'NOREPLICAS') return 'redis-write-error'
  return isReply(error) ? 'redis-write-error' : 'redis-unreachable'
}

/** Whether Redis itself answered with this error. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}
