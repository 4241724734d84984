import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { signCallcov, verifySignature } from '../../../../src/sources/callcov/signature.ts'

/** Python's own hmac over edge cases of key and message length: around the block of 64 bytes, empty, long, any byte. */
const PROGRAM = `
import hashlib, hmac, json
cases = []
for key_length in (1, 2, 16, 31, 32, 33, 55, 56, 63, 64, 65, 66, 127, 128, 129, 1000):
    for length in (0, 1, 31, 32, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 65537):
        key = ''.join(chr(33 + (i * 7 + key_length) % 94) for i in range(key_length))
        message = bytes((i * 31 + length) % 256 for i in range(length))
        cases.append([key, message.hex(), hmac.new(key.encode(), message, hashlib.sha256).hexdigest()])
for key in ('\\u00e9' * 16, '\\U0001f600' * 8, 'a\\u0000b' * 8, ' ' * 16, '\\ufeff' * 8):
    for message in (b'', b'\\x00', b'\\xff' * 64, '\\ufeff{}'.encode(), b'\\r\\n', b'\\n'):
        cases.append([key, message.hex(), hmac.new(key.encode(), message, hashlib.sha256).hexdigest()])
print(json.dumps(cases))
`

it("SIG-21: agrees with Python's hmac on keys and messages around every block length, and takes no truncated tag", () => {
  const output = execFileSync('python3', ['-c', PROGRAM], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  const cases = JSON.parse(output) as [key: string, message: string, tag: string][]
  expect(cases).toHaveLength(16 * 16 + 5 * 6)
  for (const [key, hex, tag] of cases) {
    const message = Buffer.from(hex, 'hex')
    expect(signCallcov(message, key)).toBe(tag)
    const verify = (value: string) => verifySignature({ 'x-callcov-signature': value }, message, [key]).ok
    expect(verify(tag)).toBe(true)
    const wrong = tag.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    for (const value of [wrong, tag.slice(0, 32), tag.slice(0, 62), `${tag}00`, ''])
      expect(verify(value)).toBe(false)
  }
})
