import { describe, expect, it, onTestFinished } from 'vitest'
import { createNotifyHandler, type NotifyOptions } from '../../src/handlers/builtin/notify/index.ts'
import { isPermanent, retryAfterMs } from '../../src/handlers/handler-errors.ts'
import { callEvent, endedCall } from '../support/calls.ts'
import { CANARIES } from '../support/canary.ts'
import { callHandler, silentLog } from '../support/handler-call.ts'
import { startTarget, type Target } from '../support/target.ts'
import { waitFor } from '../support/wait.ts'

const FAILED = { status: 'failed', error_message: CANARIES.transcript, results: null }
const FLAGGED = {
  results: { compliance: { prohibited_phrases: { phrases: [CANARIES.transcript], flagged: true } } },
}

interface Message {
  readonly text: string
  readonly kind: string
  readonly count: number
}

async function startNotify(options: Partial<NotifyOptions> & { to?: 'slack' | 'any' } = {}) {
  const { to = 'any', ...others } = options
  const target = await startTarget()
  const url = () => target.url
  const address = to === 'slack' ? { slackUrl: url, url: undefined } : { slackUrl: undefined, url }
  const handler = createNotifyHandler({
    ...address,
    flagPaths: ['compliance'],
    eventTypes: ['analysis.failed'],
    adminUrl: undefined,
    ...others,
  })
  await handler.start?.({ log: silentLog })
  let isStopped = false
  const stop = async () => {
    if (!isStopped) await handler.stop?.()
    isStopped = true
  }
  onTestFinished(stop)
  return { target, handler, stop }
}

function messages({ taken }: Target): Message[] {
  return taken.map(({ body }) => JSON.parse(body.toString()) as Message)
}

/** What keeps a failed analysis from being told. */
async function refusalOf(handler: Parameters<typeof callHandler>[0]): Promise<Error> {
  return await callHandler(handler, { fields: FAILED }).then(
    () => new Error('it was told'),
    (error: unknown) => error as Error,
  )
}

describe('a team is told', () => {
  it('of a failed analysis', async () => {
    const { target, handler } = await startNotify()
    await callHandler(handler, { fields: { ...FAILED, id: 'anl_1', error: { code: 'no_speech' } } })
    expect(messages(target)).toMatchObject([
      { kind: 'analysis.failed', count: 1, text: 'Analysis failed: `anl_1` (no_speech)' },
    ])
    expect(target.requests[0]?.headers['content-type']).toBe('application/json; charset=utf-8')
  })

  it('of compliance flags, where the setting says', async () => {
    const { target, handler } = await startNotify({ flagPaths: ['quality.greeting'] })
    await callHandler(handler, { fields: FLAGGED })
    await callHandler(handler, {
      fields: { id: 'anl_2', results: { quality: { greeting: { flagged: true } } } },
    })
    expect(messages(target).map(({ text }) => text)).toEqual([
      'Compliance flags in the analysis: `anl_2` (quality.greeting)',
    ])
  })

  it('of the event types of the setting, by type, id and number alone', async () => {
    const { target, handler, stop } = await startNotify({ eventTypes: ['call.ended', 'tool.executed'] })
    expect(handler.on).toEqual(['analysis.completed', 'call.ended', 'tool.executed'])
    for (const callId of ['call-1', 'call-2', 'call-3']) {
      await callHandler(handler, { source: 'hamsa', body: JSON.stringify({ ...endedCall(), callId }) })
    }
    await callHandler(handler, {
      source: 'hamsa',
      body: JSON.stringify({ ...callEvent('tool.executed', {}), callId: 'call-1' }),
    })
    await stop()
    expect(messages(target)).toMatchObject([
      { kind: 'call.ended', count: 1, text: 'Event call.ended: `call-1`', ids: ['call-1'], reasons: {} },
      { kind: 'tool.executed', text: 'Event tool.executed: `call-1`' },
      { kind: 'call.ended', count: 2, ids: ['call-2', 'call-3'] },
    ])
    const sent = target.requests.map(({ body }) => body.toString()).join('\n')
    for (const said of ['Delivery Desk', 'agent_1', 'conv-1', ...Object.values(CANARIES)]) {
      expect(sent).not.toContain(said)
    }
  })

  it('of an event that the setting does not name nothing', async () => {
    const { target, handler, stop } = await startNotify({ eventTypes: ['call.ended'] })
    await callHandler(handler, { fields: FAILED })
    await callHandler(handler, { source: 'hamsa', body: JSON.stringify(callEvent('call.started', {})) })
    await stop()
    expect(target.requests).toEqual([])
  })

  it('of an analysis once: of its flags when it has any', async () => {
    const { target, handler } = await startNotify({ eventTypes: ['analysis.completed'] })
    await callHandler(handler, { fields: FLAGGED })
    await callHandler(handler)
    expect(messages(target).map(({ kind }) => kind)).toEqual(['analysis.flagged', 'analysis.completed'])
  })

  it('of nothing when all is well', async () => {
    const { target, handler, stop } = await startNotify()
    await callHandler(handler)
    await callHandler(handler, { body: '{"id":"anl_1","status":"completed"}' })
    await stop()
    expect(target.requests).toEqual([])
  })

  it('of dead letters, by handler and reason, but not of conflicts and not of its own', async () => {
    const { target, handler, stop } = await startNotify()
    const reasons = [
      ['crm', 'failed'],
      ['notify', 'permanent'],
      ['inbox', 'conflict'],
      ['inbox', 'schema'],
      ['crm', 'failed'],
    ] as const
    for (const [name, reason] of reasons) handler.onDeadLetter?.({ handler: name, reason, jobId: 'job-1' })
    await waitFor('the message', () => target.taken.length === 1)
    handler.onDeadLetter?.({ handler: 'crm', reason: 'timeout', jobId: 'job-2' })
    await stop()
    expect(messages(target)).toMatchObject([
      { kind: 'dead-letter', count: 3, reasons: { 'crm failed': 2, 'inbox schema': 1 } },
      { count: 1, text: 'New dead letter: `job-2` (crm timeout)' },
    ])
  })

  it('without anything that somebody said, or whom it concerns', async () => {
    const { target, handler, stop } = await startNotify({ to: 'slack' })
    await callHandler(handler, { fields: { ...FAILED, error: { code: `${CANARIES.transcript} was said` } } })
    await callHandler(handler, { fields: FLAGGED })
    await stop()
    const sent = target.requests.map(({ body }) => body.toString()).join('\n')
    expect(sent).toContain('compliance.prohibited_phrases')
    for (const canary of Object.values(CANARIES)) expect(sent).not.toContain(canary)
  })

  it('in Slack by a text alone, with a link to the private page', async () => {
    const { target, handler } = await startNotify({ to: 'slack', adminUrl: 'https://admin.example' })
    await callHandler(handler, { fields: { ...FAILED, id: 'anl_<1>' } })
    expect(messages(target)).toEqual([{ text: 'Analysis failed: `anl_&lt;1&gt;`\n<https://admin.example>' }])
  })

  it('of 200 failures in a burst by two messages that count them all', async () => {
    const { target, handler, stop } = await startNotify()
    await Promise.all(Array.from({ length: 200 }, () => callHandler(handler, { fields: FAILED })))
    expect(messages(target)).toMatchObject([{ count: 1 }])
    await stop()
    expect(messages(target)).toMatchObject([{ count: 1 }, { count: 199 }])
  })

  it('of each kind by messages of its own', async () => {
    const { target, handler } = await startNotify()
    await callHandler(handler, { fields: FAILED })
    await callHandler(handler, { fields: FLAGGED })
    expect(messages(target).map(({ kind }) => kind)).toEqual(['analysis.failed', 'analysis.flagged'])
  })
})

describe('a message that is not taken', () => {
  it.each([404, 403, 410, 400, 302])(
    'with %i ends the attempts and says which setting to check, and what Slack said',
    async (status) => {
      const { target, handler } = await startNotify({ to: 'slack' })
      target.behaviour = { kind: 'answer', status, body: 'no_service' }
      const refusal = await refusalOf(handler)
      expect(refusal.message).toBe(`the message was answered ${status} no_service; check SLACK_WEBHOOK_URL`)
      expect(isPermanent(refusal)).toBe(true)
    },
  )

  it('names the setting of the other service, and nothing that it said', async () => {
    const { target, handler } = await startNotify()
    target.behaviour = { kind: 'answer', status: 401, body: 'secret_word' }
    expect((await refusalOf(handler)).message).toBe('the message was answered 401; check NOTIFY_URL')
  })

  it.each([
    ['429 that says when', 429, '30', 30_000],
    ['503 that says when', 503, '2', 2000],
    ['429 that says at once', 429, '0', 1000],
    ['429 that says nothing', 429, undefined, undefined],
    ['500', 500, '30', undefined],
  ])('with %s is tried again then', async (_what, status, retryAfter, delayMs) => {
    const { target, handler } = await startNotify()
    const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
    target.behaviour = { kind: 'answer', status, headers }
    const refusal = await refusalOf(handler)
    expect(isPermanent(refusal)).toBe(false)
    expect(retryAfterMs(refusal)).toBe(delayMs)
  })

  it.each(['hang up', 'nobody there'])(
    'because of %s is tried again, and no error holds the address',
    async (what) => {
      const { target, handler } = await startNotify({ to: 'slack' })
      if (what === 'hang up') target.behaviour = { kind: 'hang up' }
      else await target.refuse()
      const refusal = await refusalOf(handler)
      expect(isPermanent(refusal)).toBe(false)
      expect(refusal.message).not.toMatch(/TARGETCANARY|hook/)
    },
  )

  it('counts no failure twice, and loses none: a target that was down is told of each once', async () => {
    const { target, handler, stop } = await startNotify()
    target.behaviour = { kind: 'answer', status: 500 }
    let open = Array.from({ length: 50 }, (_, index) => `anl_${index}`)
    for (let attempt = 1; open.length > 0; attempt += 1) {
      if (attempt === 3) target.behaviour = { kind: 'answer', status: 200 }
      const calls = open.map((id) => callHandler(handler, { fields: { ...FAILED, id } }))
      const ends = await Promise.allSettled(calls)
      open = open.filter((_, index) => ends[index]?.status === 'rejected')
    }
    await stop()
    const counts = messages(target).map(({ count }) => count)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(50)
  })
})
