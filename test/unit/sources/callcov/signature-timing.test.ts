import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { verifySignature } from '../../../../src/sources/callcov/signature.ts'
import { SECRET, sign } from '../../../support/deliveries.ts'
import { welchOf } from '../../support/timing.ts'

/** What a leak of one compared byte at a time would exceed by far (see below), and chance does not reach in three rounds. */
const WELCH_LIMIT = 10
const ROUNDS = 3

it('SIG-18: checking a signature takes as long for 31 right bytes as for none', () => {
  // Many, so that the processor does not learn the digits of one by heart.
  const cases = Array.from({ length: 256 }, () => {
    const body = randomBytes(64)
    const near = Buffer.from(sign(body), 'hex')
    near.writeUInt8(near.readUInt8(31) ^ 1, 31)
    const far = randomBytes(32)
    const header = (bytes: Buffer) => ({ 'x-callcov-signature': bytes.toString('hex') })
    return { body, near: header(near), far: header(far) }
  })
  const check = (kind: 'near' | 'far') => (sample: number) => {
    const found = cases[(sample * 31) % cases.length]
    if (found !== undefined) verifySignature(found[kind], found.body, [SECRET])
  }
  // A busy machine disturbs a round, not all of them; a leak shows in each.
  const rounds = Array.from({ length: ROUNDS }, () => welchOf({ near: check('near'), far: check('far') }))
  expect(Math.min(...rounds)).toBeLessThan(WELCH_LIMIT)
}, 60_000)

it('SIG-18: the same measure finds the leak of a comparison that stops at the first difference', () => {
  const compare = (a: Buffer, b: Buffer) => {
    for (let index = 0; index < a.length; index += 1) {
      if (a[index] !== b[index]) return false
      for (let delay = 0; delay < 20; delay += 1) Math.sqrt(delay)
    }
    return true
  }
  const secret = randomBytes(32)
  const near = Buffer.from(secret)
  near.writeUInt8(near.readUInt8(31) ^ 1, 31)
  const far = Buffer.from(secret.map((byte) => byte ^ 0xff))
  const leak = welchOf({ near: () => void compare(near, secret), far: () => void compare(far, secret) })
  expect(leak).toBeGreaterThan(WELCH_LIMIT)
})
