import { setInterval as every } from 'node:timers'
import { expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { waitFor } from '../support/wait.ts'

const HEADERS_WITHIN_MS = 6000
const BODY_WITHIN_MS = 11_000
/** For a busy machine; the limits themselves are those of the design. */
const SLACK_MS = 500

it('cuts off slow headers within 6 s and slow bodies within 11 s, answers 408, and serves others meanwhile', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  const drip = (text: string) => (write: (more: string) => void) => {
    every(() => write(text), 200).unref()
  }
  const head = `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-CallCov-Signature: ${sign('x')}\r\n`
  const [headers, body, other] = await Promise.all([
    rawRequest(service.url, head, { onConnected: drip('x') }),
    rawRequest(service.url, `${head}Content-Length: 1000\r\n\r\n`, { onConnected: drip('x') }),
    post(service.webhookUrl, signedDelivery()),
  ])
  expect(headers.statuses).toEqual([408])
  expect(headers.durationMs).toBeLessThan(HEADERS_WITHIN_MS + SLACK_MS)
  expect(body.statuses).toEqual([408])
  expect(body.durationMs).toBeLessThan(BODY_WITHIN_MS + SLACK_MS)
  expect(other.status).toBe(200)
  await waitFor('the log line', () => service.logLines({ outcome: 'timeout' }).length === 1)
})

it('answers malformed HTTP with 400, too many headers with 431, and closes', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
  const malformed = await rawRequest(service.url, 'NONSENSE\r\n\r\n')
  expect([malformed.statuses, malformed.text.includes('{"error":"Bad request"}')]).toEqual([[400], true])
  const oversized = await rawRequest(
    service.url,
    `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(17_000)}\r\n\r\n`,
  )
  expect(oversized.statuses).toEqual([431])
  const smuggled =
    'POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
  expect((await rawRequest(service.url, smuggled)).statuses).toEqual([400])
})
