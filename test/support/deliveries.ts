import { createHmac, randomUUID } from 'node:crypto'
import { CANARIES, keepSecret } from './canary.ts'

export const SECRET = 'whsec_test_only_do_not_use_in_production'

/** Signs with Node's own HMAC and never with the service's code. */
export function sign(body: string | Buffer, secret = SECRET): string {
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  keepSecret(secret)
  keepSecret(signature)
  return signature
}

export interface Delivery {
  readonly body: string | Buffer
  readonly headers: Record<string, string>
}

/** One valid signed delivery of a completed analysis; tests change exactly one thing of it. */
export function signedDelivery(
  change: {
    fields?: Record<string, unknown>
    body?: string | Buffer
    secret?: string
    signature?: string
  } = {},
): Delivery {
  const body = change.body ?? JSON.stringify({ ...completedAnalysis(), ...change.fields })
  const signature = change.signature ?? sign(body, change.secret)
  return { body, headers: { 'content-type': 'application/json', 'x-callcov-signature': signature } }
}

/** Sends a delivery as a sender would, over a real socket. */
export async function post(url: string, delivery: Delivery): Promise<Response> {
  return await fetch(url, {
    method: 'POST',
    headers: delivery.headers,
    body: new Uint8Array(Buffer.from(delivery.body)),
  })
}

export function completedAnalysis(): Record<string, unknown> {
  return {
    id: randomUUID(),
    object: 'analysis',
    created: 1_762_425_000,
    status: 'completed',
    call: { agent_id: 'agent_0147', contact_id: CANARIES.contact },
    audio: {
      url: `https://audio.example/7c9e3b52.wav?token=${CANARIES.audioQuery}`,
      duration_seconds: 64.2,
      format: 'wav',
    },
    transcript: {
      text: `Agent: Good morning.\nCustomer: ${CANARIES.transcript}.`,
      segments: [
        { speaker: 'Agent', text: 'Good morning.', start: 0, end: 1.5 },
        { speaker: 'Customer', text: `${CANARIES.transcript}.`, start: 1.7, end: 2.2 },
      ],
    },
    results: { compliance: { flagged: false }, quality: {}, coaching: {} },
  }
}
