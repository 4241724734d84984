import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { percentile, sendAtRate } from '../support/load.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { waitFor } from '../support/wait.ts'

const HEAD = `POST /webhooks/callcov HTTP/1.1\r\nHost: x\r\nX-CallCov-Signature: ${sign('x')}\r\n`

async function startIntake(): Promise<Service> {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  return service
}

/** Connections that send this, and then a byte each second until they are closed. */
function openSlow(
  service: Service,
  count: number,
  text: string,
  options: { paused?: boolean; silent?: boolean } = {},
): { open: () => number } {
  const { paused = false, silent = paused } = options
  const { hostname, port } = new URL(service.url)
  const sockets = new Set<Socket>()
  for (let index = 0; index < count; index += 1) {
    const socket = connect(Number(port), hostname)
    sockets.add(socket)
    if (paused) socket.pause()
    else socket.resume()
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.write(text)
  }
  const drip = setInterval(() => {
    for (const socket of sockets) if (socket.writable && !silent) socket.write('x')
  }, 1000)
  onTestFinished(() => {
    clearInterval(drip)
    for (const socket of sockets) socket.destroy()
  })
  // Those that the full queue of the listener keeps waiting are nobody's load yet.
  return { open: () => [...sockets].filter((socket) => !socket.connecting).length }
}

it.each([
  ['HTTP-01', 'headers', `${HEAD}X-Slow: `],
  ['HTTP-02', 'bodies', `${HEAD}Content-Length: 100000\r\n\r\n`],
  ['HTTP-02', 'chunks', `${HEAD}Transfer-Encoding: chunked\r\n\r\nfffff\r\n`],
])(
  '%s: 800 connections with slow %s are closed within 15 s, and a real sender keeps its p99 under 200 ms',
  async (_row, _what, text) => {
    const service = await startIntake()
    const startedAt = performance.now()
    const slow = openSlow(service, 800, text)
    await waitFor('the connections', () => slow.open() > 700)
    const deliveries = Array.from({ length: 500 }, () => signedDelivery())
    const load = await sendAtRate(service.webhookUrl, 50, deliveries)
    expect(load.statuses).toEqual({ 200: 500 })
    expect(percentile(load.durationsMs, 0.99)).toBeLessThan(200)
    await waitFor('all slow ones to be closed', () => slow.open() === 0)
    expect(performance.now() - startedAt).toBeLessThan(15_000)
  },
)

it('HTTP-03: a client that never reads its answers is closed, and holds up nobody', async () => {
  const service = await startIntake()
  const slow = openSlow(service, 20, 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200_000), {
    paused: true,
  })
  await waitFor('the connections', () => slow.open() === 20)
  for (let second = 0; second < 5; second += 1) {
    expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)
    await sleep(200)
  }
  await waitFor('all to be closed', () => slow.open() === 0, { withinMs: 120_000 })
})

it('OVL-03: 5000 idle connections leave the private listener alone, are closed, and webhooks are taken again', async () => {
  const service = await startIntake()
  const idle = openSlow(service, 5000, '', { silent: true })
  await waitFor('the flood', () => idle.open() > 1000)
  const live = await fetch(`${service.adminUrl}/health/live`)
  expect(live.status).toBe(200)
  expect((await fetch(`${service.adminUrl}/metrics`)).status).toBe(200)
  await waitFor('all to be closed', () => idle.open() === 0, { withinMs: 45_000 })
  await waitFor('an answer', async () => (await post(service.webhookUrl, signedDelivery())).status === 200)
})

it('BOD-15: large forged bodies at once take bounded memory, and ordinary webhooks are still taken', async () => {
  const service = await startIntake()
  const before = await rss(service)
  const size = 10 * 1024 * 1024 - 1
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  const { hostname, port } = new URL(service.url)
  const sockets = Array.from({ length: 120 }, (_, index) => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.resume()
    // Every second one shows at once that it is not signed.
    const head = index % 2 === 0 ? HEAD : HEAD.replace(/X-CallCov.*\r\n/, '')
    socket.write(`${head}Content-Length: ${size}\r\n\r\n`)
    for (let part = 0; part < 9; part += 1) socket.write(chunk)
    return socket
  })
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()))
  let peak = before
  const watch = setInterval(() => void rss(service).then((now) => (peak = Math.max(peak, now))), 100)
  onTestFinished(() => clearInterval(watch))
  const load = await sendAtRate(
    service.webhookUrl,
    20,
    Array.from({ length: 100 }, () => signedDelivery()),
  )
  expect(load.statuses).toEqual({ 200: 100 })
  expect(peak - before).toBeLessThan(350 * 1024 * 1024)
})

async function rss(service: Service): Promise<number> {
  const { readFile } = await import('node:fs/promises')
  const status = await readFile(`/proc/${service.process.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}
