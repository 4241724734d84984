import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  archiveKey,
  formatLine,
  isLineAbout,
  readLineKey,
} from '../../../src/handlers/builtin/archive/archive-line.ts'
import type { Delivery } from '../../../src/handlers/define-handler.ts'
import { hamsa } from '../../../src/sources/hamsa/index.ts'
import { parseJson } from '../../../src/sources/source.ts'
import { readCallFixture } from '../../support/calls.ts'
import { HOSTILE_IDS } from '../../support/hostile-strings.ts'
import { anyJson } from '../support/arbitrary-json.ts'
import { completedEvent } from '../support/normalised.ts'

const EVENT = completedEvent({ id: 'anl_1', status: 'completed' })

function deliveryOf(body: string | Buffer, change: Partial<Delivery> = {}): Delivery {
  return {
    id: 'd1'.repeat(32),
    receivedAt: '2026-03-04T05:06:07.008Z',
    bytes: Buffer.byteLength(body),
    sha256: 'a7'.repeat(32),
    origin: 'webhook',
    body: () => Buffer.from(body),
    ...change,
  }
}

const lineOf = (body: string | Buffer) => formatLine(EVENT, deliveryOf(body)).toString()

describe('an archived line', () => {
  it('says what the delivery is about, and holds its body as JSON', () => {
    expect(JSON.parse(lineOf('{"id":"anl_1"}'))).toEqual({
      id: 'anl_1',
      deliveryId: 'd1'.repeat(32),
      sha256: 'a7'.repeat(32),
      receivedAt: '2026-03-04T05:06:07.008Z',
      source: 'callcov',
      type: 'analysis.completed',
      origin: 'webhook',
      body: { id: 'anl_1' },
    })
  })

  it('keeps what parsing and writing anew would change: large numbers, escapes and repeated keys', () => {
    const body = String.raw`{"big":12345678901234567890,"small":1.10,"text":"\u00e9\/","key":1,"key":2}`
    expect(lineOf(body)).toContain(`,"body":${body}}\n`)
  })

  it('is one line also for a body of many, whatever its line breaks', () => {
    expect(lineOf('{\r\n  "a": [\n\t1,\r2 ]\n}\n')).toContain(',"body":{    "a": [ \t1, 2 ] } }\n')
  })

  it('leaves out a byte-order mark, which JSON allows only at the start', () => {
    expect(lineOf('\u{feff}{}')).toContain(',"body":{}}\n')
  })

  it.each([
    ['a form', Buffer.from('event=a&note=%22,\r\n"body":1'), 'utf8' as const],
    ['a text with a byte-order mark', Buffer.from('\u{feff}a=é\u2028'), 'utf8' as const],
    ['nothing', Buffer.alloc(0), 'utf8' as const],
    ['no text either', Buffer.from([0x7b, 0xff, 0x0a, 0x22]), 'base64' as const],
  ])('holds a body that is no JSON as a text that gives back its bytes: %s', (_what, body, bodyEncoding) => {
    const line = formatLine(EVENT, deliveryOf(body))
    expect(line.indexOf('\n')).toBe(line.length - 1)
    const read = JSON.parse(line.toString()) as { body: string }
    expect(read).toMatchObject({ id: 'anl_1', bodyEncoding })
    expect(Buffer.from(read.body, bodyEncoding)).toEqual(body)
    expect(readLineKey(line)?.key).toEqual(archiveKey(deliveryOf(body)))
  })

  it('holds any bytes on one line that is JSON', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const line = lineOf(Buffer.from(bytes))
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(JSON.parse(line)).toMatchObject({ id: 'anl_1' })
      }),
    )
  })

  it('says of a call its id', () => {
    const body = readCallFixture('hamsa-call-ended.json')
    const normalised = hamsa.normalise(hamsa.parse(body)?.value)
    if (!normalised.ok) throw new Error(normalised.problem)
    const line = formatLine(normalised.event, deliveryOf(body))
    const { callId } = normalised.event
    expect(JSON.parse(line.toString())).toMatchObject({ id: callId, source: 'hamsa', type: 'call.ended' })
    expect(isLineAbout(line, callId)).toBe(true)
  })

  it('holds any body so that it reads the same, on one line', () => {
    fc.assert(
      fc.property(anyJson, fc.constantFrom(0, 2), (json, indent) => {
        const body = JSON.stringify(json, null, indent)
        const line = lineOf(body)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect((JSON.parse(line) as { body: unknown }).body).toEqual(parseJson(Buffer.from(body))?.value)
      }),
    )
  })
})

describe('a line', () => {
  it('is found again by its id, whatever characters it has, and by no other', () => {
    for (const id of HOSTILE_IDS) {
      const line = formatLine(completedEvent({ id, status: 'completed' }), deliveryOf('{}'))
      const found = [id, `${id}x`, id.slice(0, -1)].map((wanted) => isLineAbout(line, wanted))
      expect(found, JSON.stringify(id)).toEqual([true, false, false])
    }
  })

  it('is found by its own id, not by one that its body names', () => {
    const line = formatLine(EVENT, deliveryOf('{"id":"anl_2","note":"{\\"id\\":\\"anl_2\\","}'))
    expect(isLineAbout(line, 'anl_2')).toBe(false)
  })

  it('tells the key it was archived by, whatever its id', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constant('","body":'), fc.string({ minLength: 1 })), (id) => {
        const delivery = deliveryOf('{"a":",\\"body\\":"}')
        const line = formatLine(completedEvent({ id, status: 'completed' }), delivery)
        expect(readLineKey(line)).toEqual({
          key: archiveKey(delivery),
          receivedAt: Date.parse(delivery.receivedAt),
        })
      }),
    )
  })

  it('of somebody else has no key', () => {
    for (const text of ['', '\n', '{}', 'null', '[1]', '{"id":"x","body":{}}', 'text,"body":']) {
      expect(readLineKey(Buffer.from(text)), text).toBeUndefined()
    }
  })
})

describe('the key of a line', () => {
  it('differs by delivery and by body', () => {
    const [one, two] = ['1'.repeat(64), '2'.repeat(64)]
    const keys = [
      archiveKey({ id: one, sha256: one }),
      archiveKey({ id: one, sha256: two }),
      archiveKey({ id: two, sha256: one }),
    ]
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(3)
    expect(keys[0]).toEqual(archiveKey({ id: one, sha256: one }))
  })
})
