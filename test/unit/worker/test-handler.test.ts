import { describe, expect, it } from 'vitest'
import { defineHandler, PermanentError, RetryLater, testHandler } from '../../../src/index.ts'
import { deliveryId, sha256Hex } from '../../../src/inbox/delivery-id.ts'
import type { AnalysisCompleted, CallEvent, HandlerContext } from '../../../src/index.ts'
import { HAMSA_FIXTURES, readCallFixture } from '../../support/calls.ts'
import { completedAnalysis } from '../../support/deliveries.ts'

function handling(handle: (event: AnalysisCompleted, context: HandlerContext) => unknown, options = {}) {
  return defineHandler({ name: 'crm', on: ['analysis.completed'], ...options, handle })
}

describe('testHandler', () => {
  it('hands over an event made from what the test is about', async () => {
    const seen: AnalysisCompleted[] = []
    const crm = handling((event) => seen.push(event))
    const result = await testHandler(crm, {
      type: 'analysis.completed',
      call: { agentId: 'agent_1' },
      transcript: { text: 'Hello' },
      results: { compliance: { flagged: true } },
    })
    expect(result).toEqual({ outcome: 'done' })
    expect(seen).toMatchObject([
      {
        type: 'analysis.completed',
        source: 'callcov',
        analysisId: 'anl_test',
        call: { agentId: 'agent_1', contactId: null },
        transcript: { text: 'Hello', segments: [] },
        results: { compliance: { flagged: true } },
        partial: false,
        livemode: null,
        raw: { status: 'completed' },
      },
    ])
  })

  it('hands over failures, and analyses without results', async () => {
    const seen: unknown[] = []
    const handler = defineHandler({
      name: 'all',
      on: ['analysis.completed', 'analysis.failed'],
      handle: (event) => seen.push(event),
    })
    await testHandler(handler, { type: 'analysis.failed', error: { message: 'no audio', code: 'E1' } })
    await testHandler(handler, { type: 'analysis.completed', partial: true })
    expect(seen).toMatchObject([
      { type: 'analysis.failed', error: { message: 'no audio', code: 'E1' } },
      { partial: true, results: {} },
    ])
  })

  it('hands over calls made from what the test is about', async () => {
    const seen: CallEvent[] = []
    const desk = defineHandler({
      name: 'desk',
      on: ['call.started', 'tool.executed', 'call.ended'],
      handle: (event) => seen.push(event),
    })
    await testHandler(desk, { type: 'call.started' })
    await testHandler(desk, { type: 'tool.executed', callId: 'c-1', data: { toolName: 'book' } })
    const ended = {
      type: 'call.ended',
      timestamp: '2026-01-12T08:17:44.310Z',
      agentName: 'Desk',
      recordingUrl: 'https://audio.example/1.mp3',
      transcript: [{ speaker: 'User', text: 'Hello' }],
      outcome: { resolved: true },
    } as const
    expect(await testHandler(desk, ended)).toEqual({ outcome: 'done' })
    expect(seen).toMatchObject([
      { type: 'call.started', source: 'hamsa', callId: 'call_test', timestamp: null, data: null },
      { type: 'tool.executed', callId: 'c-1', data: { toolName: 'book' } },
      { ...ended, conversationId: null, data: { outcomeResult: { resolved: true } } },
    ])
  })

  it.each(HAMSA_FIXTURES)('takes the body of %s as its source would', async (file) => {
    const ids: string[] = []
    const desk = defineHandler({
      name: 'desk',
      on: ['tool.executed', 'transcription.update', 'call.ended'],
      livemode: true,
      handle: ({ callId }, { delivery }) => ids.push(callId, delivery.id),
    })
    const body = readCallFixture(file)
    expect(await testHandler(desk, { body })).toEqual({ outcome: 'done' })
    const { callId, eventType, timestamp } = JSON.parse(body.toString()) as Record<string, string>
    const outcome = `${eventType} ${timestamp} ${sha256Hex(body)}`
    expect(ids).toEqual([callId, deliveryId('hamsa', String(callId), outcome)])
  })

  it.each([
    ['as an object', (body: object) => body as Record<string, unknown>],
    ['as text', (body: object) => JSON.stringify(body)],
    ['as bytes', (body: object) => Buffer.from(JSON.stringify(body))],
  ])('takes the body of a webhook %s, and its context fits it', async (_form, form) => {
    const analysis = completedAnalysis()
    const contexts: HandlerContext[] = []
    const crm = handling((event, context) => {
      contexts.push(context)
      expect(event.analysisId).toBe(analysis.id)
    })
    expect(await testHandler(crm, { body: form(analysis) }, { attempt: 2, replay: 1 })).toEqual({
      outcome: 'done',
    })
    const [context] = contexts
    expect(context).toMatchObject({ attempt: 2, replay: 1, delivery: { origin: 'webhook' } })
    expect(context?.delivery.id).toMatch(/^[0-9a-f]{64}$/)
    expect(context?.delivery.body().toString()).toBe(JSON.stringify(analysis))
    expect(context?.delivery.bytes).toBe(context?.delivery.body().length)
  })

  it('judges what is thrown as the service would', async () => {
    const throwing = (error: unknown, options = {}) =>
      testHandler(
        handling(() => {
          throw error
        }, options),
        { type: 'analysis.completed' },
      )
    const down = new Error('the CRM answered 500')
    expect(await throwing(down)).toEqual({
      outcome: 'retry',
      reason: 'failed',
      error: 'Error: the CRM answered 500',
      thrown: down,
      delayMs: undefined,
    })
    expect(await throwing(new RetryLater('10m'))).toMatchObject({ outcome: 'retry', delayMs: 600_000 })
    expect(await throwing(new PermanentError('gone'))).toMatchObject({
      outcome: 'dead letter',
      reason: 'permanent',
      error: 'gone',
    })
    expect(await throwing(down, { attempts: 1 })).toMatchObject({ outcome: 'dead letter', reason: 'failed' })
  })

  it('ends a run at its timeout, and aborts its signal', async () => {
    let signal: AbortSignal | undefined
    const slow = handling(
      (_event, context) => {
        signal = context.signal
        return new Promise(() => {})
      },
      { timeout: '20ms' },
    )
    const result = await testHandler(slow, { type: 'analysis.completed' })
    expect(result).toMatchObject({ outcome: 'retry', reason: 'timeout' })
    expect(signal?.aborted).toBe(true)
  })

  it('says when the service would not hand over the event', async () => {
    const crm = handling(() => 'done', { livemode: true })
    expect(await testHandler(crm, { type: 'analysis.completed', livemode: false })).toEqual({
      outcome: 'not wanted',
    })
    expect(await testHandler(crm, { body: { id: 'anl_1', status: 'failed' } })).toEqual({
      outcome: 'not wanted',
    })
  })

  it('refuses a handler that the service would not load, and a body that it would not hand on', async () => {
    const mistyped = { ...handling(() => 'done'), timout: '5s' }
    await expect(testHandler(mistyped, { type: 'analysis.completed' })).rejects.toThrow(
      'did you mean timeout?',
    )
    const crm = handling(() => 'done')
    await expect(testHandler(crm, { body: 'no JSON' })).rejects.toThrow(TypeError)
    await expect(testHandler(crm, { body: { status: 'completed' } })).rejects.toThrow('names no id')
  })

  it('knows what an event of a type may hold', async () => {
    const crm = handling(() => 'done')
    // @ts-expect-error 2353: a completed analysis has no error.
    await testHandler(crm, { type: 'analysis.completed', error: {} })
    // @ts-expect-error 2322: the handler does not want it.
    await testHandler(crm, { type: 'analysis.failed' })
    const desk = defineHandler({ name: 'desk', on: ['call.started'], handle: () => 'done' })
    // @ts-expect-error 2353: of a call that starts there is no transcript.
    await testHandler(desk, { type: 'call.started', transcript: [] })
  })
})
