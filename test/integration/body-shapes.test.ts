import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { sendAndEnd, statusesOf } from '../support/ending-client.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis } from '../support/redis-server.ts'
import { expectStoredExactly, readStored } from '../support/stored-bodies.ts'
import { waitFor } from '../support/wait.ts'

const MIB = 1024 * 1024
const BODY = '{"id":"shape","status":"completed"}'
const HEAD = `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-CallCov-Signature: ${sign(BODY)}\r\n`
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`

async function startBoth(options: Parameters<typeof startReceiver>[1] = {}) {
  const redis = await startRedis()
  const receiver = await startReceiver(redis, options)
  const send = (body: string | Buffer) => post(`${receiver.url}/webhooks/callcov`, signedDelivery({ body }))
  return { redis, receiver, url: receiver.url, send }
}

describe('the length of a body', () => {
  it('BOD-01: may be zero: signed it is kept and answered 200, unsigned it is 401, with any framing', async () => {
    const { redis, receiver, url, send } = await startBoth()
    expect((await send('')).status).toBe(200)
    const start = 'POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\n'
    const signed = `${start}X-CallCov-Signature: ${sign('')}\r\n`
    for (const framing of ['', 'Content-Length: 0\r\n']) {
      expect((await rawRequest(url, `${signed}${framing}\r\n`)).statuses).toEqual([200])
      expect((await rawRequest(url, `${start}${framing}\r\n`)).statuses).toEqual([401])
    }
    const chunked = await rawRequest(url, `${signed}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)
    expect(chunked.statuses).toEqual([200])
    await expectStoredExactly(redis, receiver, [{ body: '' }])
  })

  it('BOD-03: that stops before the declared length is never answered 200, and nothing is stored', async () => {
    const { redis, url } = await startBoth()
    const half = BODY.slice(0, 20)
    for (const [framing, body] of [
      [`Content-Length: ${BODY.length + 1}`, BODY],
      [`Content-Length: ${BODY.length}`, half],
      ['Transfer-Encoding: chunked', `${BODY.length.toString(16)}\r\n${half}`],
      ['Transfer-Encoding: chunked', `${BODY.length.toString(16)}\r\n${BODY}\r\n`],
    ] as const) {
      const statuses = await sendAndEnd(url, `${HEAD}${framing}\r\n\r\n${body}`)
      expect([framing, statuses.filter((status) => status < 400)]).toEqual([framing, []])
    }
    expect(await readStored(redis)).toEqual(new Map())
  })

  it('BOD-04: that is longer than declared counts as declared, and what is behind is refused', async () => {
    const { redis, url } = await startBoth()
    const answer = await rawRequest(
      url,
      `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}{"more":1}\r\n\r\n`,
    )
    expect(statusesOf(answer.text).at(-1)).toBe(400)
    const short = await rawRequest(url, `${HEAD}Content-Length: ${BODY.length - 1}\r\n\r\n${BODY}\r\n\r\n`)
    expect(statusesOf(short.text).filter((status) => ![400, 401].includes(status))).toEqual([])
    const stored = await waitFor('what was declared', async () => {
      const found = await readStored(redis)
      return found.size > 0 && found
    })
    expect([...stored.values()].map(String)).toEqual([BODY])
  })

  it('may be anything up to the limit, and a body that cannot be made smaller is kept as it is', async () => {
    const { redis, receiver, send } = await startBoth()
    const bodies = [100, 40_000, 50_000, 100_000, 130_000, 2 * MIB].map((bytes, index) => {
      const noise = randomBytes(bytes).toString('base64')
      return `{"id":"noise-${index}","status":"completed","noise":"${noise}"}`
    })
    for (const body of bodies) expect((await send(body)).status).toBe(200)
    await expectStoredExactly(
      redis,
      receiver,
      bodies.map((body) => ({ body })),
    )
  })

  it('BOD-14: over the limit is 413 without being read, closes the connection, and is counted for an alert', async () => {
    const { redis, receiver, url } = await startBoth({ bodyLimitBytes: 2048 })
    for (const length of ['2049', String(50 * MIB), '1099511627776', '9'.repeat(15)]) {
      const answer = await rawRequest(url, `${HEAD}Content-Length: ${length}\r\n\r\n`)
      expect([length, answer.statuses]).toEqual([length, [413]])
      expect(answer.text).toMatch(/connection: close/i)
    }
    await waitFor(
      'the lines',
      () => receiver.logLines.filter((line) => line.outcome === 'too_large').length === 4,
    )
    expect(await readStored(redis)).toEqual(new Map())
  })
})

describe('the framing of a body', () => {
  it('BOD-05: as chunks of one byte, with extensions and trailers, gives the same bytes and 200', async () => {
    const { redis, receiver, url } = await startBoth()
    const ones = BODY.split('')
      .map((character) => `1\r\n${character}\r\n`)
      .join('')
    const size = BODY.length.toString(16)
    const framed = [
      `${ones}0\r\n\r\n`,
      `${size};name=value\r\n${BODY}\r\n0\r\n\r\n`,
      `${size};name="quoted; text"\r\n${BODY}\r\n0\r\n\r\n`,
      `${size}\r\n${BODY}\r\n0\r\nX-Trailer: 1\r\nX-More: 2\r\n\r\n`,
      `000${size.toUpperCase()}\r\n${BODY}\r\n000\r\n\r\n`,
    ]
    for (const body of framed) {
      const { statuses } = await rawRequest(url, CHUNKED + body)
      expect([body, statuses]).toEqual([body, [200]])
    }
    const slices = `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`.split('')
    expect((await rawRequest(url, slices)).statuses).toEqual([200])
    await expectStoredExactly(redis, receiver, [{ body: BODY }])
  })

  it('BOD-06: packed is 415 before it is read, be it a bomb, well signed or a lie', async () => {
    const { redis, url } = await startBoth()
    const bomb = gzipSync(Buffer.alloc(10 * MIB))
    const before = process.memoryUsage.rss()
    for (const encoding of [
      'gzip',
      'x-gzip',
      'br',
      'deflate',
      'zstd',
      'GZIP',
      'gzip, identity',
      'identity, identity',
    ]) {
      for (const body of [bomb, Buffer.from(BODY)]) {
        const { headers } = signedDelivery({ body })
        const answer = await post(`${url}/webhooks/callcov`, {
          body,
          headers: { ...headers, 'content-encoding': encoding },
        })
        expect([encoding, answer.status]).toEqual([encoding, 415])
      }
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB)
    expect(await readStored(redis)).toEqual(new Map())
  })

  it('BOD-07: is read the same whatever the content type says, twice, in tricks and at length', async () => {
    const { redis, receiver, url } = await startBoth()
    const types = [
      'application/json; charset=utf-16',
      'application/json;charset=latin1',
      'application/json\ta',
      'application/json ; a',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/html',
      'application/json, text/plain',
      '/',
      'a/b;c="d',
      '*/*',
    ]
    for (const type of types) {
      const answer = await rawRequest(
        url,
        `${HEAD}Content-Type: ${type}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
      )
      expect([type, answer.statuses]).toEqual([type, [200]])
    }
    const twice = `${HEAD}Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
    expect((await rawRequest(url, twice)).statuses).toEqual([200])
    await expectStoredExactly(redis, receiver, [{ body: BODY }])
  })
})

describe('what is in a body', () => {
  it.each([100, 10_000, 100_000, 500_000])(
    'BOD-09: a body nested %s deep is kept byte for byte and answered 200',
    async (depth) => {
      const { redis, receiver, send } = await startBoth()
      const nested = '['.repeat(depth) + ']'.repeat(depth)
      const bodies = [
        `{"id":"deep","status":"completed","results":{"a":${nested}}}`,
        nested,
        '{"a":'.repeat(depth),
      ]
      for (const body of bodies) expect((await send(body)).status).toBe(200)
      await expectStoredExactly(
        redis,
        receiver,
        bodies.map((body) => ({ body })),
      )
      expect(receiver.logLines.filter((line) => line.outcome === 'accepted').map((line) => line.id)).toEqual([
        'deep',
      ])
    },
  )

  it('BOD-10: of many keys, a long key and huge numbers is kept as it is, and ids past 2^53 do not swallow each other', async () => {
    const { redis, receiver, send } = await startBoth()
    const completed = (fields: string) => `{"status":"completed",${fields}}`
    const manyKeys = Array.from({ length: 200_000 }, (_, index) => `"key${index}":${index}`).join(',')
    const bodies = [
      completed(`"id":"keys",${manyKeys}`),
      completed(`"id":"long","${'k'.repeat(MIB)}":1`),
      completed(`"id":"digits","n":${'9'.repeat(1_000_000)}`),
      completed('"id":"huge","n":1e400'),
      completed('"id":9007199254740992'),
      completed('"id":9007199254740993'),
      completed('"id":12345678901234567890'),
      completed('"id":12345678901234567891'),
    ]
    for (const body of bodies) expect((await send(body)).status).toBe(200)
    for (const body of bodies) expect((await send(body)).status).toBe(200)
    await expectStoredExactly(
      redis,
      receiver,
      bodies.map((body) => ({ body })),
    )
    const outcomes = receiver.logLines
      .filter((line) => line.msg === 'webhook stored')
      .map((line) => line.outcome)
    expect(outcomes.slice(0, 4)).toEqual(Array<string>(4).fill('accepted'))
    expect(outcomes.slice(4, 8)).toEqual(Array<string>(4).fill('unrecognised'))
    expect(outcomes.slice(8)).toEqual(Array<string>(8).fill('duplicate'))
  })

  it('BOD-11: of __proto__ and constructor keys pollutes nothing, and loses nothing', async () => {
    const { redis, receiver, send } = await startBoth()
    const payloads = [
      '"__proto__":{"polluted":1}',
      '"constructor":{"prototype":{"polluted":1}}',
      String.raw`"\u005f_proto__":{"polluted":1}`,
      '"a":{"b":{"__proto__":{"polluted":1}}}',
      '"__proto__":null',
      '"__proto__":"x","constructor":1,"toString":{"x":1}',
    ]
    const bodies = payloads.map((fields, index) => `{"id":"p${index}","status":"completed",${fields}}`)
    for (const body of bodies) {
      expect((await send(body)).status).toBe(200)
      expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    }
    await expectStoredExactly(
      redis,
      receiver,
      bodies.map((body) => ({ body })),
    )
  })

  it('SIG-13: with a byte-order mark that was signed is understood, with one added on the way refused', async () => {
    const { receiver, url, send } = await startBoth()
    expect((await send(`\uFEFF${BODY}`)).status).toBe(200)
    await waitFor('the line', () =>
      receiver.logLines.some((line) => line.id === 'shape' && line.outcome === 'accepted'),
    )
    const added = signedDelivery({ body: `\uFEFF${BODY}`, signature: sign(BODY) })
    expect((await post(`${url}/webhooks/callcov`, added)).status).toBe(401)
  })
})
