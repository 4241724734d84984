import { describe, expect, it } from 'vitest'
import { bearerOf, tokensProblem, verifyToken } from '../../../../src/sources/hamsa/token.ts'

const TOKEN = 'hamsa_0123456789abcdef'
const OLD = 'eyJhbGciOiJIUzI1NiJ9.eyJvIjoxfQ.c2lnbmF0dXJl_-~+/=='

const verify = (authorization: string | undefined, ...tokens: string[]) =>
  verifyToken({ authorization }, tokens.length === 0 ? [TOKEN] : tokens)

describe('the header', () => {
  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('may write the scheme %s', (scheme) => {
    expect(verify(`${scheme} ${TOKEN}`)).toEqual({ ok: true, position: 0 })
  })

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['the token alone', TOKEN],
    ['the scheme alone', 'Bearer'],
    ['the scheme and a blank', 'Bearer '],
    ['two blanks', `Bearer  ${TOKEN}`],
    ['a tab', `Bearer\t${TOKEN}`],
    ['no blank', `Bearer${TOKEN}`],
    ['something before', ` Bearer ${TOKEN}`],
    ['something behind', `Bearer ${TOKEN} x`],
    ['another scheme', `Basic ${TOKEN}`],
    ['the token in Basic', `Basic ${Buffer.from(`u:${TOKEN}`).toString('base64')}`],
    ['the scheme twice', `Bearer Bearer ${TOKEN}`],
    ['two headers', `Bearer ${TOKEN}, Bearer ${TOKEN}`],
    ['quotes', `Bearer "${TOKEN}"`],
    ['other letters of the token', `Bearer ${TOKEN.toUpperCase()}`],
    ['one character less', `Bearer ${TOKEN.slice(0, -1)}`],
    ['one character more', `Bearer ${TOKEN}0`],
    ['one wrong character', `Bearer ${TOKEN.slice(0, -1)}0`],
    ['one beyond ASCII', `Bearer ${TOKEN}é`],
    ['all tokens at once', `Bearer ${TOKEN},${OLD}`],
  ])('is refused with %s', (_case, authorization) => {
    expect(verify(authorization, TOKEN, OLD)).toEqual({ ok: false })
  })
})

describe('the configured token', () => {
  it.each([TOKEN, `Bearer ${TOKEN}`, `bearer ${TOKEN}`, `Bearer   ${TOKEN}`])(
    'may be written %s',
    (setting) => {
      expect(tokensProblem([setting])).toBeUndefined()
      expect(verify(`Bearer ${TOKEN}`, setting)).toEqual({ ok: true, position: 0 })
      expect(bearerOf(setting)).toBe(`Bearer ${TOKEN}`)
    },
  )

  it('may be one of several, of which the place is told', () => {
    const tokens = [`Bearer ${TOKEN}`, OLD]
    expect(tokensProblem(tokens)).toBeUndefined()
    expect(verify(`Bearer ${TOKEN}`, ...tokens)).toEqual({ ok: true, position: 0 })
    expect(verify(`Bearer ${OLD}`, ...tokens)).toEqual({ ok: true, position: 1 })
    expect(verifyToken({ authorization: `Bearer ${OLD}` }, [])).toEqual({ ok: false })
  })

  it.each([
    ['none at all', []],
    ['a short one', ['fifteen-letters']],
    ['one that is short without the word Bearer', ['Bearer fifteen-letters']],
    ['a short one behind a good one', [TOKEN, 'short']],
    ['the word Bearer alone', ['Bearer']],
    ['one with a blank', ['hamsa 0123456789abcdef']],
    ['the word Bearer twice', [`Bearer Bearer ${TOKEN}`]],
    ['one that no header can carry', ['hamsa_0123456789abcdé']],
  ])('is refused when it is %s, without being told', (_case, tokens) => {
    expect(tokensProblem(tokens)).toMatch(/^holds /)
    expect(tokensProblem(tokens)).not.toMatch(/0123|fifteen/)
  })
})
