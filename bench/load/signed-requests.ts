import { createHmac, randomUUID } from 'node:crypto'
import { makeTemplates, type BodySize } from './bodies.ts'

/** Of every contender; it guards nothing. */
export const SECRET = 'whsec_bench_only_not_a_secret'
export const WEBHOOK_PATH = '/webhooks/callcov'

/** Up to this length a request goes out as one piece, which is cheaper than two. */
export const COPY_UP_TO_BYTES = 16 * 1024

export interface SignedRequest {
  readonly id: string
  /** Headers and the body up to behind its id. */
  readonly start: Buffer
  /** The rest of the body, shared by many requests. */
  readonly rest: Buffer
}

/** Signed requests with an id of their own each, made before anything is measured. */
export function signRequests(size: BodySize, count: number): SignedRequest[] {
  const templates = makeTemplates(size)
  return Array.from({ length: count }, (_, index) => {
    const template = templates[index % templates.length]
    if (template === undefined) throw new RangeError('there is no template')
    const { before, after } = template
    const id = randomUUID()
    const opening = Buffer.concat([before, Buffer.from(id)])
    const signature = createHmac('sha256', SECRET).update(opening).update(after).digest('hex')
    const head = [
      `POST ${WEBHOOK_PATH} HTTP/1.1`,
      'host: 127.0.0.1',
      'content-type: application/json',
      `content-length: ${opening.length + after.length}`,
      `x-callcov-signature: ${signature}`,
      '\r\n',
    ].join('\r\n')
    return { id, start: Buffer.concat([Buffer.from(head), opening]), rest: after }
  })
}
