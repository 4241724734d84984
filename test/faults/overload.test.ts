import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fillDeadLetters } from '../support/dead-letters.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { percentile, sendAtRate } from '../support/load.ts'
import { recordedRuns, recordingHandler } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const many = (count: number) => Array.from({ length: count }, () => signedDelivery())

it('OVL-02: a backlog of 5000 is drained while new webhooks are answered quickly, and each is handled once', async () => {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const env = { REDIS_URL: redis.url }
  const receiver = await startService({ env: { ...env, ROLE: 'receiver' } })
  await waitFor('readiness', async () => (await fetch(`${receiver.url}/health/ready`)).ok)
  const backlog = await sendAtRate(receiver.webhookUrl, 400, many(5000))
  await startService({ env: { ...env, ROLE: 'worker' }, handlers: { 'recorder.ts': recordingHandler(runs) } })
  const fresh = await sendAtRate(receiver.webhookUrl, 50, many(500))
  expect(fresh.statuses).toEqual({ 200: 500 })
  expect(percentile(fresh.durationsMs, 0.99)).toBeLessThan(1000)
  const acknowledged = backlog.acknowledged.length + fresh.acknowledged.length
  await waitFor('all to be handled', () => recordedRuns(runs).length >= acknowledged, {
    withinMs: 120_000,
    everyMs: 500,
  })
  const ids = recordedRuns(runs).map((run) => run.deliveryId)
  expect([ids.length, new Set(ids).size]).toEqual([acknowledged, acknowledged])
})

it('OVL-06: a scrape takes under a second beside 100,000 dead letters and their deliveries', async () => {
  const redis = await startRedis()
  await redis.use((client) => fillDeadLetters(client, 'crm', 100_000))
  const service = await startService({ env: { REDIS_URL: redis.url, ROLE: 'receiver' } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  for (let scrape = 0; scrape < 5; scrape += 1) {
    const startedAt = performance.now()
    const answer = await fetch(`${service.adminUrl}/metrics`)
    await answer.text()
    // The first one may be cut at its limit of 1 s while the reasons are counted.
    expect(performance.now() - startedAt).toBeLessThan(scrape === 0 ? 2000 : 1000)
    expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)
    await sleep(500)
  }
})

it('OVL-09: memory and open files do not grow with the number of webhooks', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  const worker = await service.workerPid()
  const processes = [service.process.pid ?? 0, worker]
  const use: { files: number; bytes: number }[] = []
  for (let round = 0; round < 4; round += 1) {
    expect((await sendAtRate(service.webhookUrl, 250, many(2000))).statuses).toEqual({ 200: 2000 })
    await waitFor(
      'quiet',
      () => service.logLines({ handler: 'log', decision: 'done' }).length >= 2000 * (round + 1),
    )
    const files = sum(processes, openFiles) - connectionsOf(service)
    use.push({ files, bytes: sum(processes, rss) })
  }
  const [, second, , last] = use
  expect((last?.files ?? 0) - (second?.files ?? 0)).toBeLessThan(60)
  expect((last?.bytes ?? 0) - (second?.bytes ?? 0)).toBeLessThan(80 * 1024 * 1024)
  expect(service.isRunning).toBe(true)
})

const sum = (pids: number[], of: (pid: number) => number) => pids.reduce((total, pid) => total + of(pid), 0)
const openFiles = (pid: Service['process']['pid']) => readdirSync(`/proc/${pid}/fd`).length
/** The sender keeps them for a while, on a busy machine hundreds. */
function connectionsOf({ url }: Service): number {
  const local = `0100007F:${Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')}`
  const connections = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)
  const established = '01'
  return connections.filter((line) => {
    const [, address, , state] = line.trim().split(/\s+/)
    return address === local && state === established
  }).length
}
const rss = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
