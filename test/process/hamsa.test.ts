import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  callDelivery,
  callEvent,
  callKeeper,
  HAMSA_FIXTURES,
  HAMSA_TOKEN,
  keptCalls,
  readCallFixture,
  waitForCalls,
} from '../support/calls.ts'
import { jsonOf, runCommand } from '../support/command.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** A service that takes webhooks of Hamsa, with a handler that keeps them. */
async function startWith(env: NodeJS.ProcessEnv = {}) {
  const redis = await startRedis()
  const kept = join(tempDir(), 'events.jsonl')
  const settings = { REDIS_URL: redis.url, HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN, ...env }
  const service = await startService({ env: settings, handlers: { 'keeper.ts': callKeeper(kept) } })
  return { redis, service, kept, url: `${service.url}/webhooks/hamsa`, env: { REDIS_URL: redis.url } }
}

describe('the events of Hamsa', () => {
  it('reach handlers as what they are, all five', async () => {
    const { url, kept, service } = await startWith()
    const made = ['call.started', 'call.answered'].map((type) =>
      JSON.stringify(callEvent(type, { made: 'here' })),
    )
    for (const body of [...HAMSA_FIXTURES.map(readCallFixture), ...made]) {
      expect((await post(url, callDelivery({ body }))).status).toBe(200)
    }
    const events = new Map((await waitForCalls(kept, 5)).map((event) => [event.type, event]))
    expect(events.get('call.ended')).toMatchObject({
      source: 'hamsa',
      conversationId: 'conv-6a0d-42f7-b11e',
      transcript: expect.arrayContaining([{ speaker: 'User', text: 'Yes please.' }]) as unknown,
      outcome: { new_slot: '{"day":"Thursday","from":"09:00","to":"12:00"}' },
    })
    expect(events.get('transcription.update')?.data).toMatchObject({
      text: 'أريد تغيير موعد التوصيل إلى يوم الخميس.',
    })
    expect(events.get('tool.executed')?.data).toMatchObject({ toolName: 'reschedule_delivery' })
    for (const type of ['call.started', 'call.answered'])
      expect(events.get(type)?.data).toEqual({ made: 'here' })
    await waitFor('the log handler', () => service.logLines({ msg: 'handled', handler: 'log' }).length === 5)
    expect(service.logLines({ msg: 'call ended', handler: 'log' })).toMatchObject([
      { source: 'hamsa', timestamp: '2026-01-12T08:17:44.310Z', agentId: 'agent_delivery_01', turns: 5 },
    ])
  })

  it('HAM-06: 100 updates in the same millisecond, each sent twice, are handled once each', async () => {
    const { url, kept } = await startWith()
    const fields = { callId: 'one-call', eventType: 'transcription.update' }
    const updates = Array.from({ length: 100 }, (_, index) =>
      callDelivery({ fields, content: { text: `word ${index}` } }),
    )
    const twice = [...updates, ...updates.toReversed()]
    const answers = await Promise.all(twice.map((delivery) => post(url, delivery)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(200)
    await waitForCalls(kept, 100)
    // A marker that comes after everything else: once it is handled, what was to come has come.
    await post(url, callDelivery({ fields: { callId: 'marker' } }))
    await waitFor('the marker', () => keptCalls(kept).some(({ callId }) => callId === 'marker'))
    const events = keptCalls(kept).filter(({ callId }) => callId === 'one-call')
    expect(events).toHaveLength(100)
    expect(new Set(events.map(({ data }) => data?.text)).size).toBe(100)
    expect(new Set(events.map(({ deliveryId }) => deliveryId)).size).toBe(100)
  })

  it('have a delivery id that anybody can compute from call, type, time and body', async () => {
    const { url, kept } = await startWith()
    const delivery = callDelivery({ fields: { callId: 'c-1' } })
    await post(url, delivery)
    const [event] = await waitForCalls(kept, 1)
    const digest = createHash('sha256').update(delivery.body).digest('hex')
    const key = ['hamsa', 'c-1', `call.ended 2026-01-12T08:17:44.310Z ${digest}`]
    expect(event?.deliveryId).toBe(createHash('sha256').update(JSON.stringify(key)).digest('hex'))
  })

  it('that lack something are handled all the same, and the log tells once what it is', async () => {
    const { url, kept, service } = await startWith()
    const body = JSON.stringify({ eventType: 'call.ended', callId: 'partial', data: { data: {} } })
    for (let time = 0; time < 2; time += 1) await post(url, callDelivery({ body }))
    const [event] = await waitForCalls(kept, 1)
    expect(event).toMatchObject({ callId: 'partial', conversationId: null, transcript: null, outcome: null })
    await waitFor('both handlers', () => service.logLines({ msg: 'handled' }).length === 2)
    expect(service.logLines({ msg: 'fields are missing' })).toMatchObject([
      {
        source: 'hamsa',
        event: 'call.ended',
        id: 'partial',
        missing: ['timestamp', 'conversationId', 'transcription', 'outcomeResult'],
      },
    ])
  })

  it('that are older than STALE_AFTER are held back', async () => {
    const { url, kept, service } = await startWith({ STALE_AFTER: '8h' })
    await post(url, callDelivery({ fields: { callId: 'old' } }))
    await waitFor('the dead letter', () => service.logLines({ msg: 'delivery not dispatched' }).length === 1)
    await post(url, callDelivery({ fields: { callId: 'young', timestamp: new Date().toISOString() } }))
    expect(await waitForCalls(kept, 1)).toMatchObject([{ callId: 'young' }])
  })
})

describe('the route of Hamsa', () => {
  it('does not exist without a token, nor is one made', async () => {
    const service = await startService({ env: { CALLCOV_WEBHOOK_SECRET: undefined } })
    const answer = await post(`${service.url}/webhooks/hamsa`, callDelivery())
    expect([answer.status, await answer.json()]).toEqual([404, { error: 'Not found' }])
    expect(service.output).not.toContain('/webhooks/hamsa')
    expect(existsSync(join(service.dataDir, 'callcov-webhook-secret'))).toBe(true)
    expect(existsSync(join(service.dataDir, 'hamsa-webhook-secret'))).toBe(false)
  })

  it('is shown at start when there is one', async () => {
    const { service } = await startWith()
    expect(service.output).toMatch(/webhook URL +http:\S+\/webhooks\/callcov\n +http:\S+\/webhooks\/hamsa\n/)
  })

  it('is enough in production: CallCov needs no secret then, and has no route', async () => {
    const redis = await startRedis()
    const env = {
      NODE_ENV: 'production',
      CALLCOV_WEBHOOK_SECRET: undefined,
      HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN,
      REDIS_URL: redis.url,
    }
    const service = await startService({ env })
    await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
    expect((await post(`${service.url}/webhooks/hamsa`, callDelivery())).status).toBe(200)
    expect((await post(service.webhookUrl, signedDelivery())).status).toBe(404)
    expect(service.logLines({ msg: 'started' })).toMatchObject([{ webhookPaths: ['/webhooks/hamsa'] }])
  })

  it('HAM-02: takes the tokens of a file that is rotated, without a restart', async () => {
    const file = join(tempDir(), 'token')
    const next = 'hamsa_next_0123456789abcdef'
    writeFileSync(file, `Bearer ${HAMSA_TOKEN}\n`)
    const { url, service } = await startWith({
      HAMSA_WEBHOOK_TOKEN: undefined,
      HAMSA_WEBHOOK_TOKEN_FILE: file,
    })
    const statusWith = async (token: string) => (await post(url, callDelivery({ token }))).status
    expect([await statusWith(HAMSA_TOKEN), await statusWith(next)]).toEqual([200, 401])
    writeFileSync(file, `${next}\n${HAMSA_TOKEN}\n`)
    await waitFor('the rotation', () => service.output.includes('the secrets were rotated'))
    expect([await statusWith(HAMSA_TOKEN), await statusWith(next)]).toEqual([200, 200])
    const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
    expect(metrics).toContain('secret_matched_total{source="hamsa",position="1"} 1')
  })

  it('has a token that handlers are not told', async () => {
    const told = join(tempDir(), 'told')
    const teller = `import { writeFileSync } from 'node:fs'
writeFileSync(${JSON.stringify(told)}, String(process.env.HAMSA_WEBHOOK_TOKEN))
export default { name: 'teller', on: ['call.ended'], handle() {} }`
    const env = { HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN }
    await startService({ env, handlers: { 'teller.ts': teller } })
    expect(readFileSync(told, 'utf8')).toBe('undefined')
  })
})

describe('the tools', () => {
  it('find every event of a call by its id, beside an analysis of the same id', async () => {
    const { service, url, kept, env } = await startWith()
    const callId = randomUUID()
    const types = ['call.started', 'call.answered', 'call.ended']
    for (const eventType of types) await post(url, callDelivery({ fields: { callId, eventType } }))
    await post(url, callDelivery({ fields: { callId: 'another' } }))
    await post(service.webhookUrl, signedDelivery({ fields: { id: callId } }))
    await waitForCalls(kept, 4)
    await waitFor('all handled', () => service.logLines({ msg: 'handled' }).length === 9)

    const shown = await jsonOf(['deliveries', 'show', callId], env)
    expect(shown.map(({ source, event }) => `${String(source)} ${String(event)}`).toSorted()).toEqual([
      'callcov analysis.completed',
      'hamsa call.answered',
      'hamsa call.ended',
      'hamsa call.started',
    ])
    const ended = shown.find(({ event }) => event === 'call.ended')
    const keptEnded = keptCalls(kept).find((event) => event.callId === callId && event.type === 'call.ended')
    expect(ended?.deliveryId).toBe(keptEnded?.deliveryId)
    expect(await jsonOf(['deliveries', 'show', String(ended?.deliveryId)], env)).toMatchObject([
      { jobId: ended?.jobId },
    ])
    const done = await jsonOf(['deliveries', '--state', 'done', '--event', 'call.ended', '--id', callId], env)
    expect(done.map(({ handler }) => handler).toSorted()).toEqual(['keeper', 'log'])

    const [replayed] = await jsonOf(['replay', callId, '--handler', 'keeper'], env)
    expect(replayed).toMatchObject({ ok: true, planned: { keeper: 4 } })
    const again = await waitForCalls(kept, 7)
    expect(again.filter((event) => event.callId === callId)).toHaveLength(6)
  })

  it('forget a call with all of its events, and nothing else', async () => {
    const { url, kept, env, service } = await startWith()
    for (const eventType of ['call.started', 'tool.executed', 'call.ended']) {
      await post(url, callDelivery({ fields: { callId: 'forgotten', eventType } }))
    }
    await post(url, callDelivery({ fields: { callId: 'kept' } }))
    await waitForCalls(kept, 4)
    await waitFor('all handled', () => service.logLines({ msg: 'handled' }).length === 8)
    const { code, stdout } = await runCommand(['forget', 'forgotten', '--yes'], env)
    expect([code, stdout.split(';', 1)]).toEqual([0, ['erased 3 deliveries']])
    expect(await runCommand(['deliveries', 'show', 'forgotten'], env)).toMatchObject({ code: 1 })
    expect(await jsonOf(['deliveries', 'show', 'kept'], env)).toHaveLength(1)
  })
})
