import { createHmac } from 'node:crypto'

/** What a signature is made of: https://www.standardwebhooks.com */
export interface SignedContent {
  readonly id: string
  readonly timestampSeconds: number
  readonly body: Buffer
}

/** The headers of Standard Webhooks, with one signature per secret, so that the far side may know any of them. */
export function signatureHeaders(
  { id, timestampSeconds, body }: SignedContent,
  secrets: readonly string[],
): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestampSeconds}.`).update(body).digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  }
}
