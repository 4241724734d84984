import { expect, it } from 'vitest'
import { callcov } from '../../src/sources/callcov/index.ts'
import { courier } from '../fixtures/third-provider/index.ts'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis } from '../support/redis-server.ts'
import { expectStoredExactly } from '../support/stored-bodies.ts'
import { COURIER_KEY, parcelDelivery } from '../support/third-provider.ts'
import { waitFor } from '../support/wait.ts'

it('the receiver takes the forms of a provider it knows nothing of, beside those of others', async () => {
  const redis = await startRedis()
  const served = [
    { source: callcov, secrets: { current: [SECRET] } },
    { source: courier, secrets: { current: [COURIER_KEY] } },
  ]
  const receiver = await startReceiver(redis, { sources: served })
  const url = `${receiver.url}/webhooks/courier`
  const [delivered, lost] = [parcelDelivery(), parcelDelivery({ fields: { event: 'parcel.lost' } })]
  for (const delivery of [delivered, delivered, lost]) {
    const answer = await post(url, delivery)
    expect([answer.status, await answer.json()]).toEqual([200, { received: true }])
  }
  const analysis = signedDelivery()
  expect((await post(`${receiver.url}/webhooks/callcov`, analysis)).status).toBe(200)

  const late = String(Math.floor(Date.now() / 1000) - 3600)
  for (const forged of [parcelDelivery({ secret: SECRET }), parcelDelivery({ sentAt: late }), analysis]) {
    const answer = await post(url, forged)
    expect([answer.status, await answer.json()]).toEqual([401, { error: 'Signature mismatch' }])
  }

  await expectStoredExactly(redis, receiver, [delivered, lost, analysis])
  const outcomes = () =>
    receiver.logLines
      .filter((line) => line.source === 'courier' && line.id === 'P-1')
      .map(({ event, outcome }) => `${String(event)} ${String(outcome)}`)
  await waitFor('the lines', () => outcomes().length === 3)
  expect(outcomes()).toEqual([
    'parcel.delivered accepted',
    'parcel.delivered duplicate',
    'parcel.lost accepted',
  ])
})
