import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { errorCode } from '../errors.ts'
import { signCallcov } from '../sources/callcov/signature.ts'
import type { SignedWebhook } from './post-webhooks.ts'
import { makeSample } from './sample-webhooks.ts'
import { webUrl, type SendOptions } from './send-options.ts'
import type { SingleWebhook } from './send-summary.ts'
import { findSigningSecret } from './signing-secret.ts'

export interface SendPlan {
  readonly url: URL
  /** What goes out when it is one webhook only. */
  readonly single: SingleWebhook | undefined
  readonly secretOrigin: string
  readonly requests: number
  /** Made one by one while they are taken, so that each is created when it is sent. */
  readonly webhooks: Iterable<SignedWebhook>
}

/**
 * Settles what will be sent, and where to, before anything is.
 * @throws InvalidArgumentError with what the user can do
 */
export function planSend(options: SendOptions, environment: NodeJS.ProcessEnv): SendPlan {
  const { count, duplicate, file } = options
  const url = options.url ?? defaultUrl(environment)
  const { secret, origin } = signingSecret(options, environment)
  const copies = duplicate ? 2 : 1
  const plan = { url, secretOrigin: origin, requests: count * copies }
  if (file !== undefined) {
    const body = readBody(file)
    const webhooks = signAll(count, copies, secret, () => body)
    return { ...plan, single: count === 1 ? { file } : undefined, webhooks }
  }
  const first = makeSample(options)
  const webhooks = signAll(count, copies, secret, (index) =>
    index === 0
      ? first.body
      : makeSample({ ...options, id: options.id && `${options.id}-${index + 1}` }).body,
  )
  return { ...plan, single: count === 1 ? { id: first.id } : undefined, webhooks }
}

function* signAll(
  count: number,
  copies: number,
  secret: string,
  bodyAt: (index: number) => Buffer,
): Generator<SignedWebhook> {
  for (let index = 0; index < count; index++) {
    const body = bodyAt(index)
    const webhook = { body, signature: signCallcov(body, secret) }
    for (let copy = 0; copy < copies; copy++) yield webhook
  }
}

function signingSecret({ secret, badSignature }: SendOptions, environment: NodeJS.ProcessEnv) {
  if (badSignature) return { secret: randomBytes(32).toString('hex'), origin: 'random' }
  const found = findSigningSecret(secret, environment)
  if ('problem' in found) throw new InvalidArgumentError(found.problem)
  return found
}

function defaultUrl({ PORT }: NodeJS.ProcessEnv): URL {
  const port = PORT?.trim() || '8080'
  if (!/^[1-9]\d{0,4}$/.test(port)) throw new InvalidArgumentError('PORT is no port to send to; pass --url.')
  return webUrl(`http://localhost:${port}/webhooks/callcov`)
}

function readBody(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new InvalidArgumentError(
      `The file ${path} cannot be read (${errorCode(error) ?? 'unknown error'}).`,
    )
  }
}
