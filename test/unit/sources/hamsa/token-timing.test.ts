import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { verifyToken } from '../../../../src/sources/hamsa/token.ts'
import { welchOf } from '../../support/timing.ts'

/** As for signatures; `test/unit/sources/callcov/signature-timing.test.ts` shows that a leak would exceed it. */
const WELCH_LIMIT = 10
const ROUNDS = 3

it('HAM-01: checking a token takes as long when all but its last character is right as when none is', () => {
  // Many, so that the processor does not learn the letters of one by heart.
  const cases = Array.from({ length: 256 }, () => {
    const token = randomBytes(32).toString('hex')
    const header = (text: string) => ({ authorization: `Bearer ${text}` })
    return {
      token,
      near: header(`${token.slice(0, -1)}x`),
      far: header(randomBytes(32).toString('hex')),
    }
  })
  const check = (kind: 'near' | 'far') => (sample: number) => {
    const found = cases[(sample * 31) % cases.length]
    if (found !== undefined) verifyToken(found[kind], [found.token])
  }
  // A busy machine disturbs a round, not all of them; a leak shows in each.
  const rounds = Array.from({ length: ROUNDS }, () => welchOf({ near: check('near'), far: check('far') }))
  expect(Math.min(...rounds)).toBeLessThan(WELCH_LIMIT)
}, 60_000)
