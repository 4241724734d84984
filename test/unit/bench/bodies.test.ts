import { createHmac } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { BODY_SIZES, fillTemplate, makeTemplates } from '../../../bench/load/bodies.ts'
import { SECRET, signRequests } from '../../../bench/load/signed-requests.ts'
import { callcov } from '../../../src/sources/callcov/index.ts'

const BYTES = { '1.5KB': 1536, '64KB': 65_536, '1MB': 1_048_576 }

describe.each(BODY_SIZES)('bodies of %s', (size) => {
  it('are as long as they are called', () => {
    for (const template of makeTemplates(size)) {
      const { length } = fillTemplate(template, crypto.randomUUID())
      expect(Math.abs(length / BYTES[size] - 1)).toBeLessThan(0.05)
    }
  })

  it('are analyses that the service understands', () => {
    const [template] = makeTemplates(size)
    if (template === undefined) throw new Error('there is no template')
    const id = crypto.randomUUID()
    const json: unknown = JSON.parse(fillTemplate(template, id).toString())
    expect(callcov.identify(json, '')).toMatchObject({ id })
    expect(callcov.normalise(json)).toMatchObject({ ok: true, event: { type: 'analysis.completed' } })
  })
})

it('texts compress about as well as what people say: between random and constant', () => {
  const [template] = makeTemplates('64KB')
  if (template === undefined) throw new Error('there is no template')
  const { transcript } = JSON.parse(fillTemplate(template, 'x').toString()) as {
    transcript: { text: string }
  }
  const text = Buffer.from(transcript.text)
  const ratio = text.length / zstdCompressSync(text).length
  expect(ratio).toBeGreaterThan(2.2)
  expect(ratio).toBeLessThan(3.5)
})

it('each request has an id of its own and a signature over its very bytes', () => {
  const requests = signRequests('1.5KB', 100)
  expect(new Set(requests.map(({ id }) => id)).size).toBe(100)
  for (const { id, start, rest } of requests) {
    const text = Buffer.concat([start, rest]).toString()
    const [head = '', body = ''] = text.split('\r\n\r\n')
    expect(JSON.parse(body)).toMatchObject({ id })
    expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`)
    expect(head).toContain(createHmac('sha256', SECRET).update(body).digest('hex'))
  }
})
