import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { JSON_CORPUS } from '../support/json-corpus.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis } from '../support/redis-server.ts'
import { expectStoredExactly } from '../support/stored-bodies.ts'

const AT_ONCE = 20

describe('a signed body', () => {
  it('BOD-02: of a corpus of valid, invalid and doubtful JSON is answered 200 and kept byte for byte', async () => {
    const redis = await startRedis()
    const receiver = await startReceiver(redis)
    expect(JSON_CORPUS.length).toBeGreaterThan(150)
    const statuses: Record<string, number> = {}
    for (let from = 0; from < JSON_CORPUS.length; from += AT_ONCE) {
      await Promise.all(
        JSON_CORPUS.slice(from, from + AT_ONCE).map(async ({ name, body }) => {
          const answer = await post(`${receiver.url}/webhooks/callcov`, signedDelivery({ body }))
          statuses[name] = answer.status
        }),
      )
    }
    expect(Object.entries(statuses).filter(([, status]) => status !== 200)).toEqual([])
    await expectStoredExactly(redis, receiver, JSON_CORPUS)
  })

  it('BOD-12: of lone surrogates, overlong UTF-8 and NUL is logged as one line of JSON, without quoting it', async () => {
    const redis = await startRedis()
    const receiver = await startReceiver(redis)
    const hostile = JSON_CORPUS.filter(({ name }) => /string|utf16|ud800|u0000/.test(name))
    expect(hostile.length).toBeGreaterThan(20)
    for (const { body } of hostile) await post(`${receiver.url}/webhooks/callcov`, signedDelivery({ body }))
    await expectStoredExactly(redis, receiver, hostile)
    expect(receiver.logLines.filter((line) => line.level === 50)).toEqual([])
  })

  it('BOD-13: that is any JSON value is answered 200 and kept byte for byte', async () => {
    const redis = await startRedis()
    const receiver = await startReceiver(redis)
    const sent: { body: string }[] = []
    const value = fc.oneof(
      fc.jsonValue(),
      fc.record({ id: fc.jsonValue({ maxDepth: 1 }), status: fc.jsonValue({ maxDepth: 1 }) }),
      fc.record({ id: fc.string({ unit: 'binary' }), status: fc.constantFrom('completed', 'failed') }),
    )
    await fc.assert(
      fc.asyncProperty(value, async (json) => {
        const body = JSON.stringify(json)
        sent.push({ body })
        const answer = await receiver.app.inject({
          method: 'POST',
          url: '/webhooks/callcov',
          headers: { 'x-callcov-signature': sign(body) },
          payload: body,
        })
        expect([answer.statusCode, answer.json()]).toEqual([200, { received: true }])
      }),
      { numRuns: 300 },
    )
    await expectStoredExactly(redis, receiver, sent)
  })
})
