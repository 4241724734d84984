import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deliveryId, sha256Hex } from '../../../src/inbox/delivery-id.ts'

/** The same digests from Python, a program that shares nothing with this one. */
function pythonDigests(keys: readonly (readonly string[])[]): string[] {
  const script = `
import hashlib, json, sys
for key in json.load(sys.stdin):
    text = json.dumps(key, ensure_ascii=False, separators=(',', ':'))
    print(hashlib.sha256(text.encode('utf-8')).hexdigest())`
  const output = execFileSync('python3', ['-c', script], { input: JSON.stringify(keys) })
  return output.toString().trim().split('\n')
}

describe('the id of a delivery', () => {
  it('is the SHA-256 of source, id and outcome as compact JSON', () => {
    const keys = [
      ['callcov', '7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41', 'completed'],
      ['callcov', 'anl_"7"\\\n', 'failed'],
      ['callcov', 'Íñigo 🎧', 'failed'],
    ] as const
    expect(keys.map(([source, id, outcome]) => deliveryId(source, id, outcome))).toEqual(pythonDigests(keys))
  })

  it('never changes, as it is the key of every dedupe memory in use', () => {
    // printf '["callcov","anl_1","completed"]' | openssl dgst -sha256
    const digest = opensslSha256('["callcov","anl_1","completed"]')
    expect(deliveryId('callcov', 'anl_1', 'completed')).toBe(digest)
  })

  it('differs when source, id or outcome differs', () => {
    const ids = [
      deliveryId('callcov', 'a', 'completed'),
      deliveryId('callcov', 'a', 'failed'),
      deliveryId('callcov', 'A', 'completed'),
      deliveryId('hamsa', 'a', 'completed'),
    ]
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('keeps the parts apart whatever characters they hold', () => {
    const part = fc.string({ unit: fc.constantFrom('"', ',', '[', ']', '\\', 'a') })
    const key = fc.tuple(part, part, part)
    fc.assert(
      fc.property(key, key, (first, second) => {
        fc.pre(first.some((text, index) => text !== second[index]))
        expect(deliveryId(...first)).not.toBe(deliveryId(...second))
      }),
    )
  })
})

describe('the digest of a body', () => {
  it('is that of OpenSSL, over bytes and not over characters', () => {
    expect(sha256Hex(Buffer.from([0x22, 0xff, 0x22]))).toBe(opensslSha256(Buffer.from([0x22, 0xff, 0x22])))
    expect(sha256Hex('€')).toBe(opensslSha256('€'))
  })
})

function opensslSha256(data: string | Buffer): string {
  const output = execFileSync('openssl', ['dgst', '-sha256', '-r'], { input: data })
  return output.toString().slice(0, 64)
}
