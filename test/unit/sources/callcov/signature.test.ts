import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayBeSigned, signCallcov, verifySignature } from '../../../../src/sources/callcov/signature.ts'
import { SECRET } from '../../../support/deliveries.ts'
import { FIXTURES, readFixture } from '../../support/fixtures.ts'

const [{ file, signature: SIGNATURE }] = FIXTURES
const BODY = readFixture(file)
const OTHER_SECRET = 'whsec_other_0123456789'

const header = (value: string) => ({ 'x-callcov-signature': value })

/** What OpenSSL says, a program that shares nothing with this one. */
function opensslHmac(body: Buffer, secret: string): string {
  const key = `hexkey:${Buffer.from(secret, 'utf8').toString('hex')}`
  const output = execFileSync('openssl', ['dgst', '-sha256', '-mac', 'HMAC', '-macopt', key], { input: body })
  return /[0-9a-f]{64}/.exec(output.toString())?.[0] ?? ''
}

describe('the signature', () => {
  it.each(FIXTURES)('of $file is the one that OpenSSL computed over its $bytes bytes', (fixture) => {
    const body = readFixture(fixture.file)
    expect(body).toHaveLength(fixture.bytes)
    expect(signCallcov(body, SECRET)).toBe(fixture.signature)
    expect(verifySignature(header(fixture.signature), body, [SECRET])).toEqual({ ok: true, position: 0 })
  })

  it.each([
    {
      vector: 'case 1 of RFC 4231',
      secret: '\x0b'.repeat(20),
      data: Buffer.from('Hi There'),
      mac: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    },
    {
      vector: 'case 2 of RFC 4231',
      secret: 'Jefe',
      data: Buffer.from('what do ya want for nothing?'),
      mac: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    },
    {
      vector: 'case 4 of RFC 4231',
      secret: Buffer.from(Array.from({ length: 25 }, (_, index) => index + 1)).toString('utf8'),
      data: Buffer.alloc(50, 0xcd),
      mac: '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    },
    {
      vector: 'the public example of GitHub',
      secret: "It's a Secret to Everybody",
      data: Buffer.from('Hello, World!'),
      mac: '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    },
  ])('agrees with $vector (SIG-21)', ({ secret, data, mac }) => {
    expect(signCallcov(data, secret)).toBe(mac)
    expect(verifySignature(header(mac), data, [secret])).toEqual({ ok: true, position: 0 })
  })

  it('agrees with OpenSSL on any bytes and any secret', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }),
        (bytes, secret) => {
          const body = Buffer.from(bytes)
          expect(signCallcov(body, secret)).toBe(opensslHmac(body, secret))
        },
      ),
      { numRuns: 15 },
    )
  })
})

describe('a signature header', () => {
  it.each([
    ['is empty', ''],
    ['is blank', ' \t '],
    ['has 63 digits', SIGNATURE.slice(1)],
    ['has 65 digits', `${SIGNATURE}0`],
    ['has 10,000 digits', SIGNATURE.repeat(157).slice(0, 10_000)],
    ['has the right digits and something behind them', `${SIGNATURE}zz`],
    ['has a blank behind the right digits', `${SIGNATURE} `],
    ['has a line end behind the right digits', `${SIGNATURE}\n`],
    ['has a zero byte behind the right digits', `${SIGNATURE}\0`],
    ['has the prefix of GitHub', `sha256=${SIGNATURE}`],
    ['is base64', Buffer.from(SIGNATURE, 'hex').toString('base64')],
    ['is 64 characters that are no digits', 'z'.repeat(64)],
    ['has one character that is no digit', `${SIGNATURE.slice(0, 63)}g`],
    [
      'has full-width digits',
      SIGNATURE.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    ],
    ['has 64 characters of two bytes', 'é'.repeat(64)],
    ['was sent twice and joined', `${SIGNATURE}, ${SIGNATURE}`],
  ])('that %s is refused, and before the body is read', (_case, value) => {
    expect(verifySignature(header(value), BODY, [SECRET])).toEqual({ ok: false })
    expect(mayBeSigned(header(value))).toBe(false)
  })

  it('that is missing is refused', () => {
    expect(verifySignature({}, BODY, [SECRET])).toEqual({ ok: false })
    expect(mayBeSigned({})).toBe(false)
  })

  it('that came as a list is refused', () => {
    const headers = { 'x-callcov-signature': [SIGNATURE] as unknown as string }
    expect(verifySignature(headers, BODY, [SECRET])).toEqual({ ok: false })
    expect(mayBeSigned(headers)).toBe(false)
  })

  it('is taken in upper and in mixed case (SIG-05)', () => {
    const mixed = SIGNATURE.replaceAll('a', 'A')
    expect(verifySignature(header(SIGNATURE.toUpperCase()), BODY, [SECRET]).ok).toBe(true)
    expect(verifySignature(header(mixed), BODY, [SECRET]).ok).toBe(true)
  })

  it('that is well-formed but wrong lets the body be read, and no more', () => {
    const wrong = header('0'.repeat(64))
    expect(mayBeSigned(wrong)).toBe(true)
    expect(verifySignature(wrong, BODY, [SECRET])).toEqual({ ok: false })
  })
})

describe('a body that was changed on its way', () => {
  it('is refused whichever bits of whichever byte differ (SIG-12)', () => {
    const index = fc.nat({ max: BODY.length - 1 })
    fc.assert(
      fc.property(index, fc.integer({ min: 1, max: 255 }), (position, bits) => {
        const changed = Buffer.from(BODY)
        changed.writeUInt8(changed.readUInt8(position) ^ bits, position)
        expect(verifySignature(header(SIGNATURE), changed, [SECRET])).toEqual({ ok: false })
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['another body that is signed as well', readFixture('callcov-failed.json')],
    ['the same JSON written anew', Buffer.from(JSON.stringify(JSON.parse(BODY.toString())))],
    ['other line ends', Buffer.from(BODY.toString().replaceAll('\n', '\r\n'))],
    ['a byte-order mark in front', Buffer.from(`\uFEFF${BODY.toString()}`)],
    ['nothing at all', Buffer.alloc(0)],
  ])('is refused when it is %s', (_case, body) => {
    expect(verifySignature(header(SIGNATURE), body, [SECRET])).toEqual({ ok: false })
  })

  it('is told from another that is no UTF-8 either (SIG-14)', () => {
    const [first, second] = [Buffer.from([0x22, 0xff, 0x22]), Buffer.from([0x22, 0xfe, 0x22])]
    const signature = header(opensslHmac(first, SECRET))
    expect(verifySignature(signature, first, [SECRET]).ok).toBe(true)
    expect(verifySignature(signature, second, [SECRET]).ok).toBe(false)
  })
})

describe('during a rotation of secrets', () => {
  it('either secret is taken, and its place is told (SIG-15)', () => {
    expect(verifySignature(header(SIGNATURE), BODY, [SECRET, OTHER_SECRET])).toEqual({
      ok: true,
      position: 0,
    })
    expect(verifySignature(header(SIGNATURE), BODY, [OTHER_SECRET, SECRET])).toEqual({
      ok: true,
      position: 1,
    })
  })

  it('the newest place is told when a secret is listed twice', () => {
    expect(verifySignature(header(SIGNATURE), BODY, [SECRET, SECRET])).toEqual({ ok: true, position: 0 })
  })

  it('a secret that is no longer listed is refused', () => {
    expect(verifySignature(header(SIGNATURE), BODY, [OTHER_SECRET])).toEqual({ ok: false })
    expect(verifySignature(header(SIGNATURE), BODY, [])).toEqual({ ok: false })
  })
})
