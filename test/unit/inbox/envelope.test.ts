import { createHash, randomBytes } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeBody,
  decodeMetadata,
  encodeBody,
  encodeMetadata,
  ENVELOPE_VERSION,
  type DecodedBody,
  type Metadata,
} from '../../../src/inbox/envelope.ts'
import { PayloadKeys } from '../../../src/inbox/payload-keys.ts'
import { FIXTURES, readFixture } from '../support/fixtures.ts'

const KIB = 1024
/** Where compression begins, and where it moves to the thread pool. */
const THRESHOLDS = [KIB, 128 * KIB]

const METADATA: Metadata = {
  version: 1,
  source: 'callcov',
  type: 'analysis.completed',
  id: 'anl_1',
  receivedAt: 1_762_425_000_123,
  bytes: 1260,
  sha256: 'a7'.repeat(32),
  encoding: 'base64',
  origin: 'webhook',
}

const UNSEALED = new PayloadKeys()

function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}

/** What a body is after it was encoded and decoded. */
async function thereAndBack(body: Buffer, keys: PayloadKeys): Promise<Buffer> {
  const { data, ...encoded } = await encodeBody(body, keys)
  const decoded = await decodeBody(
    data,
    { ...METADATA, ...encoded, bytes: body.length, sha256: digest(body) },
    keys,
  )
  if (!decoded.ok) throw new Error(decoded.problem)
  return decoded.rawBody
}

/** Bytes of this length that nothing can compress, the same for each seed. */
function noise(length: number, seed: number): Buffer {
  return createHash('shake256', { outputLength: Math.max(length, 1) })
    .update(String(seed))
    .digest()
    .subarray(0, length)
}

const sizes = fc.oneof(
  fc.nat({ max: 3 * KIB }),
  fc.constantFrom(...THRESHOLDS.flatMap((size) => [size - 1, size, size + 1])),
)
const bodies = fc.oneof(
  fc.tuple(sizes, fc.nat()).map(([size, seed]) => noise(size, seed)),
  fc
    .tuple(sizes, fc.uint8Array({ minLength: 1, maxLength: 40 }))
    .map(([size, pattern]) => Buffer.alloc(size, Buffer.from(pattern))),
)

describe('a body in Redis', () => {
  it('comes back byte for byte, whatever it is and however long', async () => {
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        expect((await thereAndBack(body, UNSEALED)).equals(body)).toBe(true)
      }),
      { numRuns: 200, examples: [[Buffer.alloc(0)], [Buffer.alloc(KIB)], [noise(128 * KIB, 1)]] },
    )
  })

  it.each(FIXTURES)('is the exact $file again', async ({ file }) => {
    const body = readFixture(file)
    expect(await thereAndBack(body, UNSEALED)).toEqual(body)
  })

  it('never takes more room than plain base64', async () => {
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const { data } = await encodeBody(body, UNSEALED)
        expect(data.length).toBeLessThanOrEqual(body.toString('base64').length)
        expect(data).toMatch(/^[A-Za-z0-9+/]*={0,2}$/)
      }),
    )
  })

  it.each([4 * KIB, 200 * KIB])(
    'of %d bytes of transcript is kept as zstd, several times smaller',
    async (size) => {
      const body = Buffer.alloc(size, readFixture('callcov-completed-es.json'))
      const { encoding, data } = await encodeBody(body, UNSEALED)
      expect(encoding).toBe('zstd')
      expect(data.length).toBeLessThan(size)
      expect(zstdDecompressSync(Buffer.from(data, 'base64')).equals(body)).toBe(true)
    },
  )

  it('is kept as it is when it is small, or when compression does not pay', async () => {
    expect(await encodeBody(Buffer.from('{"id":"a"}'), UNSEALED)).toEqual({
      encoding: 'base64',
      data: 'eyJpZCI6ImEifQ==',
    })
    expect((await encodeBody(noise(64 * KIB, 1), UNSEALED)).encoding).toBe('base64')
  })

  it('in an encoding of a later release is unknown, not wrong', async () => {
    expect(await decodeBody('eA==', { ...METADATA, encoding: 'brotli' }, UNSEALED)).toEqual({
      ok: false,
      problem: 'its encoding brotli is unknown to this release',
    })
  })
})

/** Not the bytes themselves, of which a failing test would print millions. */
async function outcome(decoded: Promise<DecodedBody>): Promise<string> {
  return (await decoded).ok ? 'handed on' : 'refused'
}

describe('a stored body that is damaged', () => {
  const whole = Buffer.alloc(4 * KIB, 'transcript ')

  it.each([
    ['zstd', zstdCompressSync(whole).subarray(0, 20)],
    ['zstd', Buffer.from('no zstd at all')],
    ['zstd', Buffer.alloc(0)],
    ['base64', whole.subarray(0, 100)],
    ['base64', Buffer.alloc(whole.length, 'another one')],
  ])('is refused instead of being handed on: %s', async (encoding, stored) => {
    const metadata = { ...METADATA, encoding, bytes: whole.length, sha256: digest(whole) }
    expect(await outcome(decodeBody(stored.toString('base64'), metadata, UNSEALED))).toBe('refused')
  })

  it('is refused as soon as it unpacks to more than it says, so that it cannot fill the memory', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(64 * KIB * KIB)).toString('base64')
    expect(await outcome(decodeBody(bomb, { ...METADATA, encoding: 'zstd', bytes: KIB }, UNSEALED))).toBe(
      'refused',
    )
  })
})

describe('a sealed body', () => {
  const [first, second] = [randomKey(), randomKey()]
  const sealing = (...keys: string[]) => new PayloadKeys(() => keys)

  it('comes back byte for byte, and holds nothing readable meanwhile', async () => {
    for (const body of [Buffer.alloc(0), Buffer.from('short'), Buffer.alloc(300 * KIB, 'transcript ')]) {
      const { data, keyId } = await encodeBody(body, sealing(first))
      expect(keyId).toMatch(/^[0-9a-f]{8}$/)
      expect(Buffer.from(data, 'base64').includes('transcript')).toBe(false)
      expect((await thereAndBack(body, sealing(first))).equals(body)).toBe(true)
    }
  })

  it('is opened by any of the keys, and sealed by the newest', async () => {
    const old = await encodeBody(Buffer.from('old'), sealing(first))
    const metadata = { ...METADATA, ...old, bytes: 3, sha256: digest(Buffer.from('old')) }
    expect(await outcome(decodeBody(old.data, metadata, sealing(second, first)))).toBe('handed on')
    const young = await encodeBody(Buffer.from('young'), sealing(second, first))
    expect(young.keyId).not.toBe(old.keyId)
  })

  it('stays closed without its key, and when a bit of it differs', async () => {
    const { data, ...encoded } = await encodeBody(Buffer.from('body'), sealing(first))
    const metadata = { ...METADATA, ...encoded, bytes: 4, sha256: digest(Buffer.from('body')) }
    for (const keys of [UNSEALED, sealing(second)]) {
      const refused = await decodeBody(data, metadata, keys)
      expect(refused).toEqual({
        ok: false,
        problem: expect.stringContaining(String(encoded.keyId)) as string,
      })
    }
    const changed = Buffer.from(data, 'base64')
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    expect(await outcome(decodeBody(changed.toString('base64'), metadata, sealing(first)))).toBe('refused')
  })

  it('keeps error texts closed in the same way, and leaves others as they are', () => {
    const sealed = sealing(first).sealText('quotes a transcript')
    expect(sealed).not.toContain('transcript')
    expect(sealing(second, first).openText(sealed)).toBe('quotes a transcript')
    expect(sealing(second).openText(sealed)).toContain('which PAYLOAD_KEY lacks')
    expect(UNSEALED.openText('an ordinary text')).toBe('an ordinary text')
  })

  it('is opened by an independent implementation', async () => {
    const { data } = await encodeBody(Buffer.from('for another program'), sealing(first))
    const stored = Buffer.from(data, 'base64')
    const key = await crypto.subtle.importKey('raw', Buffer.from(first, 'base64'), 'AES-GCM', false, [
      'decrypt',
    ])
    // WebCrypto wants the tag behind the text.
    const text = Buffer.concat([stored.subarray(28), stored.subarray(12, 28)])
    const opened = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: stored.subarray(0, 12) }, key, text)
    expect(Buffer.from(opened).toString()).toBe('for another program')
  })
})

function randomKey(): string {
  return randomBytes(32).toString('base64')
}

describe('the metadata of a delivery', () => {
  it('come back whatever texts they hold', () => {
    const text = fc.string({ unit: 'binary' })
    const metadata = fc.record<Metadata>(
      {
        version: fc.constant(ENVELOPE_VERSION),
        source: text,
        type: fc.option(text),
        id: fc.option(text),
        receivedAt: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        bytes: fc.nat(),
        sha256: fc.constant('0f'.repeat(32)),
        encoding: text,
        origin: fc.constantFrom('webhook', 'fetched'),
        hold: fc.constant('conflict'),
      },
      {
        requiredKeys: [
          'version',
          'source',
          'type',
          'id',
          'receivedAt',
          'bytes',
          'sha256',
          'encoding',
          'origin',
        ],
      },
    )
    fc.assert(
      fc.property(metadata, (given) => {
        expect(decodeMetadata(encodeMetadata(given))).toEqual({ ok: true, metadata: given })
      }),
    )
  })

  it('of the first release can be read for ever', async () => {
    const name = `{"version":1,"source":"callcov","type":"analysis.completed","id":"anl_1","receivedAt":1762425000123,"bytes":1260,"sha256":"${METADATA.sha256}","encoding":"zstd","origin":"webhook"}`
    const data = 'KLUv/WDsA+0AAKhBZ2VudDogR29vZCBtb3JuaW5nLgoBAKnBfzIB'
    const decoded = decodeMetadata(name)
    expect(decoded).toEqual({ ok: true, metadata: { ...METADATA, encoding: 'zstd' } })
    const text = 'Agent: Good morning.\n'.repeat(60)
    const metadata = { ...METADATA, encoding: 'zstd', sha256: digest(Buffer.from(text)) }
    expect(await decodeBody(data, metadata, UNSEALED)).toEqual({ ok: true, rawBody: Buffer.from(text) })
  })

  it.each([
    ['all it knows', { ...METADATA, version: 2 }],
    ['other fields', { version: 2, provider: { name: 'callcov' } }],
    ['another meaning of a known field', { ...METADATA, version: 99, origin: 'streamed' }],
  ])(
    'of a later release, with %s, are told from damaged ones, so that a newer worker may read them',
    (_case, json) => {
      expect(decodeMetadata(JSON.stringify(json))).toEqual({ ok: false, problem: 'version' })
    },
  )

  it.each([
    ['nothing', ''],
    ['no JSON', 'analysis.completed'],
    ['cut off', JSON.stringify(METADATA).slice(0, -1)],
    ['null', 'null'],
    ['a list', '[]'],
    ['an empty object', '{}'],
    ['without a version', JSON.stringify({ ...METADATA, version: undefined })],
    ['of version 0', JSON.stringify({ ...METADATA, version: 0 })],
    ['of a version in words', JSON.stringify({ ...METADATA, version: '2' })],
    ['of half a version', JSON.stringify({ ...METADATA, version: 1.5 })],
    ['without a source', JSON.stringify({ ...METADATA, source: null })],
    ['of an impossible length', JSON.stringify({ ...METADATA, bytes: -1 })],
    ['with a cut digest', JSON.stringify({ ...METADATA, sha256: 'a7' })],
    ['of an unknown origin', JSON.stringify({ ...METADATA, origin: 'rumour' })],
    ['held for an unknown reason', JSON.stringify({ ...METADATA, hold: 'mood' })],
  ])('are malformed when they are %s', (_case, name) => {
    expect(decodeMetadata(name)).toEqual({ ok: false, problem: 'malformed' })
  })

  it('are read without an exception whatever the name of a job is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (name) => {
        expect(decodeMetadata(name).ok).toBe(false)
      }),
    )
  })
})
