import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Authentication } from '../source.ts'

export const SIGNATURE_HEADER = 'x-callcov-signature'

/**
 * Checked before the bytes are decoded: `Buffer.from(text, 'hex')` stops silently at the first character that
 * is no digit, so that 65 digits, or 64 and anything behind them, would pass.
 */
const HEX_SHA256 = /^[0-9a-f]{64}$/i

/** The value of `X-CallCov-Signature` for these bytes: HMAC-SHA256 in lower-case hex. */
export function signCallcov(rawBody: Buffer, secret: string): string {
  return createHmac('sha256', secret).update(rawBody).digest('hex')
}

export function mayBeSigned(headers: IncomingHttpHeaders): boolean {
  return signatureOf(headers) !== undefined
}

/** Compares with every secret, matching or not, so that the time taken tells nothing about which one fits. */
export function verifySignature(
  headers: IncomingHttpHeaders,
  rawBody: Buffer,
  secrets: readonly string[],
): Authentication {
  const signature = signatureOf(headers)
  if (signature === undefined) return { ok: false }
  const given = Buffer.from(signature, 'hex')
  let position = -1
  for (const [index, secret] of secrets.entries()) {
    const expected = createHmac('sha256', secret).update(rawBody).digest()
    if (timingSafeEqual(given, expected) && position === -1) position = index
  }
  return position === -1 ? { ok: false } : { ok: true, position }
}

/** Node joins a repeated header with a comma, which is no hex digit either. */
function signatureOf(headers: IncomingHttpHeaders): string | undefined {
  const value = headers[SIGNATURE_HEADER]
  return typeof value === 'string' && HEX_SHA256.test(value) ? value : undefined
}
