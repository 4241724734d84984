import { expect, it } from 'vitest'
import { callDelivery, HAMSA_TOKEN } from '../support/calls.ts'
import { sendAtRate } from '../support/load.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { post, type Delivery } from '../support/deliveries.ts'
import { waitFor } from '../support/wait.ts'

/** Hamsa gives up after 5 s. */
const ANSWER_LIMIT_MS = 4500

function* events(count: number): Generator<Delivery> {
  for (let sent = 0; sent < count; sent += 1) yield callDelivery()
}

async function unavailable(service: Service): Promise<number | undefined> {
  const text = await (await fetch(`${service.adminUrl}/metrics`)).text()
  const name = 'callcov_receiver_requests_total{source="hamsa",outcome="unavailable"}'
  const line = text.split('\n').find((candidate) => candidate.startsWith(name))
  return line === undefined ? undefined : Number(line.split(' ')[1])
}

it('HAM-03: every webhook of Hamsa is answered within its 5 s while Redis is frozen, and accepted soon after', async () => {
  const redis = await startRedis()
  const service = await startService({ env: { REDIS_URL: redis.url, HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN } })
  const url = `${service.url}/webhooks/hamsa`
  await waitFor('a webhook to be acknowledged', async () => (await post(url, callDelivery())).ok)
  redis.freeze()
  const frozen = await sendAtRate(url, 10, events(60))
  expect(Object.keys(frozen.statuses)).toEqual(['503'])
  expect(Math.max(...frozen.durationsMs)).toBeLessThan(ANSWER_LIMIT_MS)
  redis.thaw()
  await waitFor('a webhook to be acknowledged', async () => (await post(url, callDelivery())).ok, {
    withinMs: 5000,
  })
})

it('HAM-04: what cannot be stored while Redis is away is counted, from 0 on, for an alert on the first one', async () => {
  const redis = await startRedis()
  await redis.stop()
  const service = await startService({ env: { REDIS_URL: redis.url, HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN } })
  const url = `${service.url}/webhooks/hamsa`
  // From nothing to 1 would be no increase to Prometheus.
  expect(await unavailable(service)).toBe(0)
  const refused = await sendAtRate(url, 20, events(20))
  expect(refused.statuses).toEqual({ 503: 20 })
  expect(Math.max(...refused.durationsMs)).toBeLessThan(ANSWER_LIMIT_MS)
  expect(await unavailable(service)).toBe(20)

  await redis.start()
  await waitFor('a webhook to be acknowledged', async () => (await post(url, callDelivery())).ok)
})
