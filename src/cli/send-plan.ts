import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { errorCode } from '../errors.ts'
import type { SignedWebhook } from './post-webhooks.ts'
import type { SampleOptions } from './sample-options.ts'
import { webUrl, type SendOptions } from './send-options.ts'
import type { SingleWebhook } from './send-summary.ts'
import { SENDERS, type Sender } from './senders.ts'
import { findSigningSecret } from './signing-secret.ts'

export interface SendPlan {
  readonly url: URL
  /** The path that the provider posts to. */
  readonly path: string
  /** What goes out when it is one webhook only. */
  readonly single: SingleWebhook | undefined
  readonly secretOrigin: string
  readonly requests: number
  /** Made one by one while they are taken, so that each is created when it is sent. */
  readonly webhooks: Iterable<SignedWebhook>
}

interface Batch {
  readonly count: number
  /** How often each is sent. */
  readonly copies: number
  readonly headersOf: (body: Buffer) => Record<string, string>
}

/**
 * Settles what will be sent, and where to, before anything is.
 * @throws InvalidArgumentError with what the user can do
 */
export function planSend(options: SendOptions, environment: NodeJS.ProcessEnv): SendPlan {
  const { count, duplicate, file } = options
  const sender: Sender = SENDERS[options.source]
  const url = options.url ?? defaultUrl(environment, sender)
  const { secret, origin } = signingSecret(options, environment, sender)
  const batch = {
    count,
    copies: duplicate ? 2 : 1,
    headersOf: (body: Buffer) => sender.headers(body, secret),
  }
  const plan = { url, path: mainPath(sender), secretOrigin: origin, requests: count * batch.copies }
  if (file !== undefined) {
    const body = readBody(file)
    return { ...plan, single: count === 1 ? { file } : undefined, webhooks: signAll(batch, () => body) }
  }
  const sample = sampleOptions(options, sender)
  const first = sender.makeSample(sample)
  const webhooks = signAll(batch, (index) =>
    index === 0
      ? first.body
      : sender.makeSample({ ...sample, id: sample.id && `${sample.id}-${index + 1}` }).body,
  )
  return { ...plan, single: count === 1 ? { id: first.id } : undefined, webhooks }
}

function* signAll(
  { count, copies, headersOf }: Batch,
  bodyAt: (index: number) => Buffer,
): Generator<SignedWebhook> {
  for (let index = 0; index < count; index++) {
    const body = bodyAt(index)
    const webhook = { body, headers: headersOf(body) }
    for (let copy = 0; copy < copies; copy++) yield webhook
  }
}

function sampleOptions(options: SendOptions, { source, events, defaultEvent }: Sender): SampleOptions {
  const { event = defaultEvent, shape, language, segments, id } = options
  if (!events.includes(event)) {
    throw new InvalidArgumentError(`--event of --source ${source.name} is one of: ${events.join(', ')}.`)
  }
  if (shape !== undefined && options.source !== 'callcov') {
    throw new InvalidArgumentError('--shape is for --source callcov only.')
  }
  return { event, shape: shape ?? 'analysis', language, segments, id }
}

function signingSecret(
  { secret, badSignature }: SendOptions,
  environment: NodeJS.ProcessEnv,
  { source }: Sender,
) {
  if (badSignature) return { secret: randomBytes(32).toString('hex'), origin: 'random' }
  const found = findSigningSecret(secret, environment, source)
  if ('problem' in found) throw new InvalidArgumentError(found.problem)
  return found
}

function defaultUrl({ PORT }: NodeJS.ProcessEnv, sender: Sender): URL {
  const port = PORT?.trim() || '8080'
  if (!/^[1-9]\d{0,4}$/.test(port)) throw new InvalidArgumentError('PORT is no port to send to; pass --url.')
  return webUrl(`http://localhost:${port}${mainPath(sender)}`)
}

function mainPath({ source }: Sender): string {
  return source.paths[0] ?? ''
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
