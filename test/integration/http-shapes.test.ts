import { describe, expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { sendAndHangUp, statusesOf } from '../support/ending-client.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { FRAMING_SHAPES } from '../support/framing-shapes.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis } from '../support/redis-server.ts'
import { expectStoredExactly, readStored } from '../support/stored-bodies.ts'
import { waitFor } from '../support/wait.ts'

const BODY = '{"id":"http","status":"completed"}'
const SIGNATURE = `X-CallCov-Signature: ${sign(BODY)}\r\n`
const signedRequest = (body: string, more = '') =>
  `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-CallCov-Signature: ${sign(body)}\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`

async function startBoth() {
  const redis = await startRedis()
  const receiver = await startReceiver(redis)
  return { redis, receiver, url: receiver.url }
}

describe('framing', () => {
  it('HTTP-05: that two parsers may see differently lets nothing past the signature, and is no error of the server', async () => {
    const { redis, url } = await startBoth()
    const shapes = Object.entries(FRAMING_SHAPES)
    expect(shapes.length).toBeGreaterThan(57)
    const wrong: [string, number[]][] = []
    for (const [name, text] of shapes) {
      const { statuses } = await rawRequest(url, Buffer.from(text, 'latin1'), { quietMs: 60 })
      if (statuses.some((status) => status < 400 || status >= 500)) wrong.push([name, statuses])
    }
    expect(wrong).toEqual([])
    expect(await readStored(redis)).toEqual(new Map())
    // It still serves.
    expect((await post(`${url}/webhooks/callcov`, signedDelivery())).status).toBe(200)
  }, 60_000)

  it('HTTP-06: HTTP/1.0, a foreign Host, an absolute address, an upgrade and Expect change nothing for a signed body', async () => {
    const { redis, receiver, url } = await startBoth()
    const plain = signedRequest(BODY)
    const shapes = {
      foreignHost: plain.replace('Host: x', 'Host: evil.example:1'),
      http10: plain.replace('HTTP/1.1', 'HTTP/1.0'),
      h2c: signedRequest(
        BODY,
        'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n',
      ),
      expect: signedRequest(BODY, 'Expect: 100-continue\r\n'),
      forwarded: signedRequest(
        BODY,
        'X-Forwarded-Host: evil\r\nX-Original-URL: /health/live\r\nForwarded: host=evil\r\n',
      ),
    }
    for (const [name, text] of Object.entries(shapes)) {
      const { statuses, text: answer } = await rawRequest(url, text)
      expect([name, statuses.filter((status) => status !== 100)]).toEqual([name, [200]])
      expect(answer).not.toMatch(/evil|^location:/im)
    }
    const absolute = await rawRequest(url, plain.replace('/webhooks', 'http://evil.example/webhooks'))
    expect([200, 404]).toContain(absolute.statuses[0])
    await expectStoredExactly(redis, receiver, [{ body: BODY }])
  })

  it('HTTP-07: headers of 17 kB are 431, more than 2000 no error of the server, and a line break in a path no header', async () => {
    const { url } = await startBoth()
    const big = signedRequest(BODY, `X-Big: ${'x'.repeat(17_000)}\r\n`)
    expect((await rawRequest(url, big)).statuses).toEqual([431])
    const many = Array.from({ length: 2001 }, (_, index) => `h${index % 10}:\r\n`).join('')
    const unsigned = `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\n${many}${SIGNATURE.replace(/[0-9a-f]{64}/, '0'.repeat(64))}\r\n`
    expect((await rawRequest(url, unsigned)).statuses[0]).toBeOneOf([400, 401, 431])
    const broken = `GET /health/live%0d%0aX-Injected:%201 HTTP/1.1\r\nHost: x\r\n\r\n`
    const answer = await rawRequest(url, broken)
    expect([answer.statuses, /x-injected/i.test(answer.text)]).toEqual([[404], false])
  })

  it('HTTP-04: a thousand requests in one go are answered in order, each by its own signature', async () => {
    const { redis, receiver, url } = await startBoth()
    const bodies = Array.from({ length: 1000 }, (_, index) => `{"id":"pipe-${index}","status":"completed"}`)
    const isForged = (index: number) => index % 3 === 1
    const text = bodies.map((body, index) => {
      return isForged(index)
        ? signedRequest(body).replace(/e: [0-9a-f]{64}/, `e: ${'0'.repeat(64)}`)
        : signedRequest(body)
    })
    const answers = await rawRequest(url, text.join(''), { quietMs: 3000 })
    const statuses = statusesOf(answers.text)
    expect(statuses).toEqual(bodies.map((_, index) => (isForged(index) ? 401 : 200)))
    await expectStoredExactly(
      redis,
      receiver,
      bodies.filter((_, index) => !isForged(index)).map((body) => ({ body })),
    )
  })
})

describe('a sender', () => {
  it('HTTP-08: that hangs up at any moment may send again, and the webhook is stored once', async () => {
    const { redis, receiver, url } = await startBoth()
    const bodies = Array.from({ length: 40 }, (_, index) => `{"id":"gone-${index}","status":"completed"}`)
    await Promise.all(bodies.map((body, index) => sendAndHangUp(url, signedRequest(body), index / 4)))
    for (const body of bodies) {
      expect((await post(`${url}/webhooks/callcov`, signedDelivery({ body }))).status).toBe(200)
    }
    await expectStoredExactly(
      redis,
      receiver,
      bodies.map((body) => ({ body })),
    )
    const jobs = await redis.use((client) => client.llen('test:inbox:wait'))
    expect(jobs).toBe(bodies.length)
  })

  it('HTTP-08: that hangs up while its webhook is stored is told apart from one whose webhook was not', async () => {
    const redis = await startRedis()
    const proxy = await startFaultProxy(redis)
    const receiver = await startReceiver(proxy)
    proxy.latencyMs = 100
    await sendAndHangUp(receiver.url, signedRequest(BODY), 50)
    await sendAndHangUp(receiver.url, signedRequest(BODY).slice(0, -5), 50)
    const outcomes = () => receiver.logLines.map(({ outcome }) => outcome).filter(Boolean)
    await waitFor('both to be counted', () => outcomes().length === 2)
    expect(outcomes().toSorted()).toEqual(['aborted', 'accepted'])
  })

  it('HTTP-10: of any other method gets 404, 405 or 400, and nothing of its request back', async () => {
    const { redis, url } = await startBoth()
    const methods = [
      'GET',
      'HEAD',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'CONNECT',
      'PROPFIND',
      'PURGE',
      'BREW',
      'get',
      'POST2',
    ]
    for (const method of methods) {
      const text = signedRequest(BODY, 'X-Echo: canary-echo\r\n').replace('POST', method)
      const answer = await rawRequest(url, text, { quietMs: 60 })
      expect([method, answer.statuses.filter((status) => ![400, 404, 405].includes(status))]).toEqual([
        method,
        [],
      ])
      expect(answer.text).not.toMatch(/canary-echo|"id"/)
    }
    expect(await readStored(redis)).toEqual(new Map())
  })
})
