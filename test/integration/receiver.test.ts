import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis } from '../support/redis-server.ts'
import { waitFor } from '../support/wait.ts'

const UNAUTHORIZED = { error: 'Invalid signature' }

describe('the public listener', () => {
  it('answers a signed webhook with 200 on both paths of the provider', async () => {
    const { url } = await startReceiver(await startRedis())
    for (const path of ['/webhooks/callcov', '/webhooks/analysis', '/webhooks/callcov?ignored=1']) {
      const answer = await post(`${url}${path}`, signedDelivery())
      expect([answer.status, await answer.json()]).toEqual([200, { received: true }])
    }
  })

  it('knows no other path', async () => {
    const { url } = await startReceiver(await startRedis())
    const delivery = signedDelivery()
    const paths = [
      '/',
      '/webhooks',
      '/webhooks/callcov/',
      '//webhooks/callcov',
      '/WEBHOOKS/CALLCOV',
      '/webhooks/hamsa',
    ]
    for (const path of [...paths, '/webhooks%2fcallcov', '/webhooks/callcov/../callcov/x', '/%zz']) {
      const answer = await rawRequest(
        url,
        postHead(path, delivery.body.length, delivery.headers) + String(delivery.body),
      )
      expect([path, answer.statuses]).toEqual([path, [404]])
      expect(answer.text).toContain('{"error":"Not found"}')
    }
  })

  it('refuses other methods on known paths and says which one is allowed', async () => {
    const { url } = await startReceiver(await startRedis())
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(`${url}/webhooks/callcov`, { method })
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'POST'])
      if (method !== 'HEAD') expect(await answer.json()).toEqual({ error: 'Method not allowed' })
    }
    const health = await fetch(`${url}/health/ready`, { method: 'POST' })
    expect([health.status, health.headers.get('allow')]).toEqual([405, 'GET'])
    const trace = await rawRequest(
      url,
      'TRACE /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-Echo: canary\r\n\r\n',
    )
    expect(trace.statuses).toEqual([405])
    expect(trace.text).not.toContain('canary')
  })

  it('takes identity as the only content encoding and unpacks nothing', async () => {
    const { url, readiness } = await startReceiver(await startRedis())
    const packed = signedDelivery({ body: gzipSync('{}') })
    for (const encoding of ['gzip', 'br', 'deflate', 'identity, gzip', '']) {
      const answer = await post(`${url}/webhooks/callcov`, {
        ...packed,
        headers: { ...packed.headers, 'content-encoding': encoding },
      })
      expect([encoding, answer.status]).toEqual([encoding, 415])
      expect(await answer.json()).toEqual({ error: 'Unsupported content encoding' })
    }
    const delivery = signedDelivery()
    const identity = { ...delivery, headers: { ...delivery.headers, 'content-encoding': 'Identity' } }
    expect((await post(`${url}/webhooks/callcov`, identity)).status).toBe(200)
    expect(readiness.refusal()).toBeUndefined()
  })

  it('takes a body of exactly the limit, refuses one byte more, declared or not, and closes', async () => {
    const { url } = await startReceiver(await startRedis(), { bodyLimitBytes: 20_000 })
    const atLimit = signedDelivery({ body: ' '.repeat(20_000) })
    expect((await post(`${url}/webhooks/callcov`, atLimit)).status).toBe(200)

    const over = signedDelivery({ body: ' '.repeat(20_001) })
    const declared = await post(`${url}/webhooks/callcov`, over)
    expect([declared.status, declared.headers.get('connection')]).toEqual([413, 'close'])
    expect(await declared.json()).toEqual({ error: 'Payload too large' })

    const head = `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-CallCov-Signature: ${sign(over.body)}\r\n`
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n4e21\r\n${String(over.body)}\r\n0\r\n\r\n`
    const undeclared = await rawRequest(url, chunked)
    expect(undeclared.statuses).toEqual([413])

    const terabyte = await rawRequest(url, `${head}Content-Length: 1099511627776\r\n\r\n`)
    expect(terabyte.statuses).toEqual([413])
  })

  it('treats every content type alike, also none and malformed ones', async () => {
    const { url } = await startReceiver(await startRedis())
    const types = [
      'text/plain',
      'application/json; charset=latin1',
      ';;;',
      '',
      'json',
      'a/b/c',
      '\tapplication/json',
    ]
    for (const type of [...types, ' application/json', 'x'.repeat(10_000), undefined]) {
      const { body, headers } = signedDelivery()
      const { 'content-type': _, ...rest } = headers
      const typed = type === undefined ? rest : { 'content-type': type, ...rest }
      const answer = await rawRequest(
        url,
        postHead('/webhooks/callcov', Buffer.byteLength(body), typed) + String(body),
      )
      expect([type, answer.statuses]).toEqual([type, [200]])
    }
  })

  it('stores a signed body that is empty, no JSON, or no analysis, and answers 200', async () => {
    const { url, logLines } = await startReceiver(await startRedis())
    const bodies = [
      '',
      ' ',
      'null',
      '[]',
      '"text"',
      '{',
      '{}',
      '{"id":"a"}',
      '{"id":{},"status":"completed"}',
    ]
    for (const body of bodies) {
      const answer = await post(`${url}/webhooks/callcov`, signedDelivery({ body }))
      expect([body, answer.status]).toEqual([body, 200])
    }
    const invalidUtf8 = signedDelivery({ body: Buffer.from([0x22, 0xff, 0x22]) })
    expect((await post(`${url}/webhooks/callcov`, invalidUtf8)).status).toBe(200)
    const outcomes = logLines.filter((line) => line.source === 'callcov').map((line) => line.outcome)
    expect(outcomes).toEqual(Array<string>(bodies.length + 1).fill('unrecognised'))
  })

  it('refuses whatever is not signed with one of the secrets, in one wording', async () => {
    const { url } = await startReceiver(await startRedis())
    const body = String(signedDelivery().body)
    const right = sign(body)
    const wrong: (string | undefined)[] = [
      undefined,
      '',
      '   ',
      right.slice(1),
      `${right}0`,
      `${right}zz`,
      `${right} ${right}`,
      `sha256=${right}`,
      Buffer.from(right, 'hex').toString('base64'),
      sign(`${body} `),
      sign(body, 'another secret of enough length'),
      'é'.repeat(64),
      'g'.repeat(64),
    ]
    for (const signature of wrong) {
      const headers = signature === undefined ? {} : { 'x-callcov-signature': signature }
      const head = postHead('/webhooks/callcov', Buffer.byteLength(body), headers)
      const answer = await rawRequest(url, [Buffer.from(head, 'latin1'), body])
      expect([signature, answer.statuses]).toEqual([signature, [401]])
      expect(answer.text).toContain(JSON.stringify(UNAUTHORIZED))
    }
    const doubled = `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-CallCov-Signature: ${right}\r\nX-CallCov-Signature: ${right}\r\n`
    const answer = await rawRequest(
      url,
      `${doubled}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    expect(answer.statuses).toEqual([401])
    const upperCase = signedDelivery({ body, signature: right.toUpperCase() })
    expect((await post(`${url}/webhooks/callcov`, upperCase)).status).toBe(200)
  })

  it('refuses by the headers alone before the body has come', async () => {
    const { url } = await startReceiver(await startRedis())
    const unsigned = await rawRequest(url, postHead('/webhooks/callcov', 5_000_000, {}), { quietMs: 100 })
    expect(unsigned.statuses).toEqual([401])
    const packed = await rawRequest(
      url,
      postHead('/webhooks/callcov', 5_000_000, { 'content-encoding': 'gzip' }),
      {
        quietMs: 100,
      },
    )
    expect(packed.statuses).toEqual([415])
  })

  it('writes nothing of an unsigned request into its log but its address', async () => {
    const { url, logLines } = await startReceiver(await startRedis())
    await post(`${url}/webhooks/callcov?canary-query`, {
      body: '{"id":"canary-id","status":"completed"}',
      headers: {
        'x-callcov-signature': 'c'.repeat(64),
        'user-agent': 'canary-agent',
        'content-type': 'canary/type',
      },
    })
    const refused = logLines.filter((line) => line.outcome === 'unauthorized')
    expect(refused).toHaveLength(1)
    expect(JSON.stringify(logLines)).not.toMatch(/canary|cccccc/)
  })
})

describe('health', () => {
  it('is live and ready while Redis can store', async () => {
    const { url } = await startReceiver(await startRedis())
    expect(await (await fetch(`${url}/health/live`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`${url}/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }])
  })

  it('is not ready while Redis may evict, and says so', async () => {
    const redis = await startRedis('--maxmemory-policy', 'allkeys-lru')
    const { url } = await startReceiver(redis, { expectReason: 'redis-evicts' })
    const ready = await fetch(`${url}/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', reason: 'redis-evicts' },
    ])
    const refused = await post(`${url}/webhooks/callcov`, signedDelivery())
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60'])
    expect(await refused.json()).toEqual({ error: 'Temporarily unavailable' })

    await redis.use((client) => client.config('SET', 'maxmemory-policy', 'noeviction'))
    await waitFor('readiness', async () => (await fetch(`${url}/health/ready`)).ok, { withinMs: 5000 })
    expect((await post(`${url}/webhooks/callcov`, signedDelivery())).status).toBe(200)
  })
})

function postHead(path: string, length: number, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n${lines.join('')}\r\n`
}
