import { createHmac } from 'node:crypto'
import { keepSecret } from './canary.ts'
import type { Delivery } from './deliveries.ts'

export const COURIER_KEY = 'courier-key-0123456789abcdef'

/** A signed webhook of the provider in `test/fixtures/third-provider`; tests change exactly one thing of it. */
export function parcelDelivery(
  change: { fields?: Record<string, string>; secret?: string; sentAt?: string } = {},
): Delivery {
  const fields = { event: 'parcel.delivered', parcel: 'P-1', at: '1762425000', weight_grams: '1200' }
  const body = new URLSearchParams({ ...fields, ...change.fields }).toString()
  return { body, headers: courierHeaders(body, change.secret, change.sentAt) }
}

/** Signs with Node's own HMAC and never with the code under test. */
export function courierHeaders(
  body: string | Buffer,
  secret = COURIER_KEY,
  sentAt = String(Math.floor(Date.now() / 1000)),
): Record<string, string> {
  const signature = createHmac('sha256', secret).update(`${sentAt}.`).update(body).digest('base64')
  keepSecret(secret)
  keepSecret(signature)
  return {
    'content-type': 'application/x-www-form-urlencoded',
    'x-courier-timestamp': sentAt,
    'x-courier-signature': signature,
  }
}
