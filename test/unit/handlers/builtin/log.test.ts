import { Writable } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { log } from '../../../../src/handlers/builtin/log.ts'
import { normaliseHamsa } from '../../../../src/sources/hamsa/normalise.ts'
import { EVENT_TYPES, type WebhookEvent } from '../../../../src/sources/sources.ts'
import { CANARIES } from '../../../support/canary.ts'
import { callEvent, endedCall } from '../../../support/calls.ts'
import { completedAnalysis } from '../../../support/deliveries.ts'
import { completedEvent, failedEvent } from '../../support/normalised.ts'
import { runOf } from '../../support/handler-run.ts'

/** The line that the handler writes for an event. */
function lineOf(event: WebhookEvent): Record<string, unknown> {
  let text = ''
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  const { delivery, attempt, replay, cancelled: signal } = runOf(() => undefined)
  void log.handle(event, { delivery, attempt, replay, signal, log: pino({ base: null }, sink) })
  return JSON.parse(text) as Record<string, unknown>
}

function callOf(json: unknown): WebhookEvent {
  const normalised = normaliseHamsa(json)
  if (!normalised.ok) throw new Error(normalised.problem)
  return normalised.event
}

describe('the log handler', () => {
  it('wants every event', () => {
    expect(log.on).toEqual(EVENT_TYPES)
  })

  it('writes times, numbers and states of an analysis', () => {
    expect(lineOf(completedEvent(completedAnalysis()))).toMatchObject({
      msg: 'analysis completed',
      createdAt: '2025-11-06T10:30:00.000Z',
      durationSeconds: 64.2,
      segments: 2,
      partial: false,
    })
    expect(lineOf(failedEvent({ id: 'a', status: 'failed', error: { code: 'no_speech' } }))).toMatchObject({
      msg: 'analysis failed',
      errorCode: 'no_speech',
    })
  })

  it('writes time, agent and length of a call', () => {
    expect(lineOf(callOf(endedCall()))).toMatchObject({
      msg: 'call ended',
      timestamp: '2026-01-12T08:17:44.310Z',
      agentId: 'agent_1',
      conversationId: 'conv-1',
      turns: 2,
    })
    expect(lineOf(callOf(callEvent('tool.executed', {})))).toMatchObject({ msg: 'tool executed' })
  })

  it('writes nothing of what was said, by whom, or where the recording is', () => {
    const lines = [completedEvent(completedAnalysis()), callOf(endedCall())].map((event) =>
      JSON.stringify(lineOf(event)),
    )
    for (const canary of Object.values(CANARIES)) expect(lines.join()).not.toContain(canary)
  })

  it('cuts texts that senders may make as long as a body', () => {
    const code = 'x'.repeat(1_000_000)
    const agentId = 'y'.repeat(1_000_000)
    for (const event of [
      failedEvent({ id: 'a', status: 'failed', error: { code } }),
      callOf({ ...endedCall(), agentId }),
    ]) {
      expect(JSON.stringify(lineOf(event)).length).toBeLessThan(1000)
    }
  })
})
