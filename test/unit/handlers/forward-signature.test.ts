import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { signatureHeaders } from '../../../src/handlers/builtin/forward/sign.ts'

const SECRET = `whsec_${Buffer.alloc(24, 'first').toString('base64')}`
const OTHER = `whsec_${Buffer.alloc(64, 'other').toString('base64')}`
const now = () => Math.floor(Date.now() / 1000)

describe('the signature of a forwarded event', () => {
  it('is the one that openssl makes of id, time and body', () => {
    // printf '%s' 'd1-r1.1767323045.{"id":"¿a?"}' | openssl dgst -sha256 -hmac firstfirstfirstfirstfirs -binary | base64
    const content = { id: 'd1-r1', timestampSeconds: 1_767_323_045, body: Buffer.from('{"id":"¿a?"}') }
    expect(signatureHeaders(content, [SECRET])).toEqual({
      'webhook-id': 'd1-r1',
      'webhook-timestamp': '1767323045',
      'webhook-signature': 'v1,UZjCBE9IhPxWbWYDxjqhgfwMAeSRCsyc8qDW7iK9fFw=',
    })
  })

  it('verifies by the library of the standard, for every text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, text) => {
        const body = Buffer.from(JSON.stringify([value, text]))
        const headers = signatureHeaders({ id: 'd1', timestampSeconds: now(), body }, [SECRET])
        expect(new Webhook(SECRET).verify(body.toString(), headers)).toEqual(JSON.parse(body.toString()))
      }),
    )
  })

  it('verifies with each of the secrets while they rotate, and with no other', () => {
    const body = Buffer.from('{}')
    const headers = signatureHeaders({ id: 'd1', timestampSeconds: now(), body }, [SECRET, OTHER])
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
    for (const secret of [SECRET, OTHER]) expect(new Webhook(secret).verify('{}', headers)).toEqual({})
    const third = new Webhook(`whsec_${Buffer.alloc(24, 'third').toString('base64')}`)
    expect(() => third.verify('{}', headers)).toThrow('No matching signature')
  })

  it('does not verify for another id, time or body', () => {
    const content = { id: 'd1', timestampSeconds: now(), body: Buffer.from('{}') }
    const headers = signatureHeaders(content, [SECRET])
    const verify = (body: string, change: Record<string, string>) =>
      new Webhook(SECRET).verify(body, { ...headers, ...change })
    expect(() => verify('{ }', {})).toThrow('No matching signature')
    expect(() => verify('{}', { 'webhook-id': 'd1-r1' })).toThrow('No matching signature')
    expect(() => verify('{}', { 'webhook-timestamp': String(now() - 1) })).toThrow('No matching signature')
  })
})
