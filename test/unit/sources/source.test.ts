import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../../src/sources/source.ts'

describe('the JSON of a body', () => {
  it('is read as UTF-8', () => {
    expect(parseJson(Buffer.from('{"text":"¿Ñ? 18,40 € 🎧"}'))).toEqual({ value: { text: '¿Ñ? 18,40 € 🎧' } })
  })

  it('may begin with a byte-order mark (SIG-13)', () => {
    expect(parseJson(Buffer.from('\uFEFF{"id":"a"}'))).toEqual({ value: { id: 'a' } })
  })

  it('is none when the bytes are not UTF-8, so that two ids never become one by replacement', () => {
    expect(parseJson(Buffer.from([0x22, 0xff, 0x22]))).toBeUndefined()
    expect(parseJson(Buffer.from([0x22, 0xfe, 0x22]))).toBeUndefined()
  })

  it('is read rightly again after bytes that were cut in the middle of a character', () => {
    expect(parseJson(Buffer.from([0x22, 0xe2, 0x82]))).toBeUndefined()
    expect(parseJson(Buffer.from('"€"'))).toEqual({ value: '€' })
  })

  it('takes the last of two equal keys, as every later reader does (BOD-08)', () => {
    expect(parseJson(Buffer.from('{"id":"a","id":"b"}'))).toEqual({ value: { id: 'b' } })
  })

  it('may be nested deeper than the stack is (BOD-09)', () => {
    const depth = 100_000
    expect(parseJson(Buffer.from('['.repeat(depth) + ']'.repeat(depth)))).toBeDefined()
  })

  it('is whatever was sent, for every value that JSON can hold', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parseJson(Buffer.from(JSON.stringify(value)))).toEqual({
          value: JSON.parse(JSON.stringify(value)),
        })
      }),
    )
  })

  it('is asked for without fear: no bytes make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(() => parseJson(Buffer.from(bytes))).not.toThrow()
      }),
    )
  })
})
