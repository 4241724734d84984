import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordingHandler } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { waitFor } from '../support/wait.ts'

/** Every metric with its labels, as the design lists them; `le` is that of histograms. */
const METRICS: Record<string, string[]> = {
  requests_total: ['source', 'outcome'],
  answer_seconds: ['source', 'outcome'],
  body_bytes: ['source'],
  secret_matched_total: ['source', 'position'],
  handler_runs_total: ['handler', 'outcome'],
  handler_seconds: ['handler'],
  handler_lag_seconds: ['handler'],
  breaker_open: ['handler'],
  queue_jobs: ['queue', 'state'],
  queue_oldest_seconds: ['queue'],
  handler_paused: ['handler'],
  dead_letters: ['queue', 'reason'],
  last_webhook_timestamp_seconds: ['source'],
  worker_restarts_total: ['reason'],
  redis_durable: [],
  redis_memory_ratio: [],
  build_info: ['version'],
}

const FAILING = {
  'fails.ts': recordingHandler('/dev/null', { name: 'fails', does: `throw new PermanentError('no')` }),
}

it('shows every metric of the design with its labels and no other, those of the worker among them', async () => {
  const service = await startService({ handlers: FAILING })
  await post(service.webhookUrl, signedDelivery())
  await post(service.webhookUrl, signedDelivery({ signature: 'f'.repeat(64) }))
  process.kill(await service.workerPid(), 'SIGKILL')
  await waitFor('the new worker', () => service.output.includes('the worker runs again'))
  await post(service.webhookUrl, signedDelivery())
  await waitFor('the dead letter', async () =>
    (await samples(service)).some(({ name }) => name === 'dead_letters'),
  )

  const seen: Record<string, string[]> = {}
  for (const { name, labels } of await samples(service)) {
    const base = name.replace(/_(bucket|sum|count)$/, '')
    seen[base] = Object.keys(labels).filter((label) => label !== 'le')
  }
  expect(seen).toEqual(METRICS)
  const text = await scrape(service)
  for (const name of Object.keys(METRICS))
    expect(text).toMatch(new RegExp(`^# HELP callcov_receiver_${name} .`, 'm'))
})

it('counts what happened', async () => {
  const service = await startService({ handlers: FAILING })
  const delivery = signedDelivery()
  await post(service.webhookUrl, delivery)
  await post(service.webhookUrl, delivery)
  await post(service.webhookUrl, signedDelivery({ body: 'no json' }))
  await post(service.webhookUrl, { ...delivery, headers: {} })
  await waitFor('all counted', async () => {
    const counted = new Map((await samples(service)).map(({ key, value }) => [key, value]))
    const expected: Record<string, number> = {
      'requests_total{source="callcov",outcome="accepted"}': 1,
      'requests_total{source="callcov",outcome="duplicate"}': 1,
      'requests_total{source="callcov",outcome="unrecognised"}': 1,
      'requests_total{source="callcov",outcome="unauthorized"}': 1,
      'secret_matched_total{source="callcov",position="0"}': 3,
      'body_bytes_count{source="callcov"}': 3,
      'handler_runs_total{handler="log",outcome="done"}': 1,
      'handler_runs_total{handler="fails",outcome="permanent"}': 1,
      'handler_lag_seconds_count{handler="log"}': 1,
      'dead_letters{queue="inbox",reason="unrecognised"}': 1,
      'dead_letters{queue="handler-fails",reason="permanent"}': 1,
      'queue_jobs{queue="handler-log",state="completed"}': 1,
      redis_durable: 1,
    }
    return Object.entries(expected).every(([key, value]) => counted.get(key) === value)
  })
})

it('adds no series for paths, methods and ids that senders choose', async () => {
  const service = await startService()
  const before = await afterSome(service, 10)
  const after = await afterSome(service, 300)
  expect(after).toEqual(before)
})

it('shows every scrape all series, also when several come at once', async () => {
  const service = await startService()
  await post(service.webhookUrl, signedDelivery())
  await waitFor('the series of the first run', async () =>
    (await scrape(service)).includes('lag_seconds_count{'),
  )
  const names = (text: string) => text.split('\n').map((line) => line.replace(/ \S+$/, ''))
  const expected = names(await scrape(service))
  for (let round = 0; round < 20; round += 1) {
    const scrapes = await Promise.all(Array.from({ length: 8 }, () => scrape(service)))
    for (const text of scrapes) expect(names(text)).toEqual(expected)
  }
})

it('answers a scrape in time while Redis is frozen', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url } })
  redis.freeze()
  const startedAt = performance.now()
  expect(await scrape(service)).toContain('callcov_receiver_build_info')
  expect(performance.now() - startedAt).toBeLessThan(3000)
  redis.thaw()
})

it('tells on the private listener, and only there, how what it stands on is doing', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url } })
  const deps = async () => await (await fetch(`${service.adminUrl}/health/deps`)).json()
  await waitFor('readiness', async () => (await fetch(`${service.adminUrl}/health/ready`)).ok)
  expect(await deps()).toEqual({
    status: 'healthy',
    redis: { durable: true, memoryRatio: expect.any(Number) as number },
  })
  await redis.stop()
  await waitFor('the outage', async () => ((await deps()) as { status: string }).status === 'unhealthy')
  for (const path of ['/health/deps', '/metrics']) expect((await fetch(service.url + path)).status).toBe(404)
})

interface Sample {
  /** Without the prefix. */
  readonly name: string
  readonly labels: Record<string, string>
  readonly key: string
  readonly value: number
}

async function samples(service: Service): Promise<Sample[]> {
  const lines = (await scrape(service)).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => {
    const [, name = '', , inner = '', value = ''] =
      /^callcov_receiver_(\w+)(\{(.*)\})? (\S+)$/.exec(line) ?? []
    const labels = Object.fromEntries(
      [...inner.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]),
    )
    return { name, labels, key: inner === '' ? name : `${name}{${inner}}`, value: Number(value) }
  })
}

async function scrape(service: Service): Promise<string> {
  return await (await fetch(`${service.adminUrl}/metrics`)).text()
}

/** The series there are after requests of every kind. */
async function afterSome(service: Service, count: number): Promise<string[]> {
  for (let index = 0; index < count; index += 1) {
    await fetch(`${service.url}/${randomUUID()}?${randomUUID()}`, {
      method: index % 2 === 0 ? 'GET' : 'POST',
    })
    await post(service.webhookUrl, signedDelivery({ fields: { id: randomUUID() } }))
    await post(service.webhookUrl, signedDelivery({ signature: randomUUID() }))
  }
  await waitFor('the handlers', async () => {
    const jobs = (await samples(service)).filter(
      ({ name, labels }) => name === 'queue_jobs' && labels.state !== 'completed',
    )
    return jobs.every(({ value }) => value === 0)
  })
  return (await samples(service)).map(({ key }) => key).toSorted()
}
