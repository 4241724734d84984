import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normaliseCallcov } from '../../../../src/sources/callcov/normalise.ts'
import { completedAnalysis } from '../../../support/deliveries.ts'
import { analysisWithAnyFields, anyJson } from '../../support/arbitrary-json.ts'
import { completedEvent, problemOf } from '../../support/normalised.ts'

describe('a known field of another type than documented', () => {
  it.each([
    ['created', { created: 'CANARY' }],
    ['created', { created: { CANARY: 'CANARY' } }],
    ['created', { created: 1e300 }],
    ['livemode', { livemode: 'CANARY' }],
    ['call', { call: 'CANARY' }],
    ['call.agent_id', { call: { agent_id: ['CANARY'] } }],
    ['call.contact_id', { call: { contact_id: { CANARY: true } } }],
    ['audio', { audio: ['CANARY'] }],
    ['audio.url', { audio: { url: { CANARY: 1 } } }],
    ['audio.duration_seconds', { audio: { duration_seconds: 'CANARY' } }],
    ['audio.format', { audio: { format: false } }],
    ['transcript', { transcript: 'CANARY' }],
    ['transcript.text', { transcript: { text: ['CANARY'] } }],
    ['transcript.segments', { transcript: { segments: 'CANARY' } }],
    ['transcript.segments.1.start', { transcript: { segments: [{}, { start: 'CANARY' }] } }],
    ['transcript.segments.0', { transcript: { segments: ['CANARY'] } }],
    ['results', { results: 'CANARY' }],
    ['results', { results: ['CANARY'] }],
    ['result', { result: 'CANARY' }],
    ['error', { error: ['CANARY'] }],
    ['error_message', { error_message: { CANARY: 1 } }],
    ['metadata', { metadata: 'CANARY' }],
  ])('at %s is a problem that names the path and never the value', (path, fields) => {
    const problem = problemOf({ ...completedAnalysis(), ...fields })
    expect(problem.split(': ', 1)).toEqual([path])
    expect(problem).not.toContain('CANARY')
  })

  it('is told together with the others', () => {
    const problem = problemOf({ ...completedAnalysis(), livemode: 1, call: 2, audio: 3 })
    expect(problem).toMatch(/livemode: .*; call: .*; audio: /)
  })

  it('is told in a bounded text, however many there are', () => {
    const segments = Array.from({ length: 10_000 }, () => ({ start: 'CANARY' }))
    expect(problemOf({ ...completedAnalysis(), transcript: { segments } }).length).toBeLessThan(1000)
  })

  it('includes a text that is no time at all though JavaScript would guess one', () => {
    expect(problemOf({ ...completedAnalysis(), created: 'contact 5' })).toMatch(/^created: /)
  })
})

describe('what is not identified', () => {
  it.each([
    ['no object', 'CANARY'],
    ['null', null],
    ['no id', { status: 'completed', name: 'CANARY' }],
    ['a contradiction', { id: 'CANARY', event: 'analysis.failed', status: 'completed' }],
  ])('is a problem and no event: %s', (_case, json) => {
    expect(problemOf(json)).not.toContain('CANARY')
  })
})

describe('any JSON', () => {
  it('is answered with an event or a problem, never with an exception', () => {
    fc.assert(
      fc.property(fc.oneof(anyJson, analysisWithAnyFields), (json) => {
        const normalised = normaliseCallcov(json)
        if (normalised.ok) expect(normalised.event.raw).toBe(json)
        else expect(normalised.problem).not.toBe('')
      }),
      { numRuns: 2000 },
    )
  })

  it('nested deeper than the stack is handed on whole (BOD-09)', () => {
    const depth = 100_000
    const deep = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
    const json = JSON.parse(`{"id":"a","status":"completed","results":${deep},"unknown":${deep}}`) as unknown
    expect(completedEvent(json).raw).toBe(json)
  })
})

describe('a key named __proto__ (BOD-11)', () => {
  const hostile = '{"polluted":true,"toString":"x","message":"CANARY"}'

  it.each([
    ['at the top', `{"__proto__":${hostile},"id":"a","status":"completed","results":{}}`],
    ['in the results', `{"id":"a","status":"completed","results":{"__proto__":${hostile}}}`],
    ['in the call', `{"id":"a","status":"completed","call":{"__proto__":${hostile}},"results":{}}`],
    ['as constructor', `{"id":"a","status":"completed","constructor":{"prototype":${hostile}},"results":{}}`],
    [
      'in the whole object in result',
      `{"analysis_id":"a","event":"analysis.completed","result":{"__proto__":${hostile},"results":{"x":1}}}`,
    ],
  ])('%s changes no other object and is not lost', (_case, text) => {
    const event = completedEvent(JSON.parse(text))
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect((event as unknown as Record<string, unknown>).polluted).toBeUndefined()
    expect((event.results as Record<string, unknown>).polluted).toBeUndefined()
    expect(JSON.stringify(event.raw)).toBe(JSON.stringify(JSON.parse(text)))
  })

  it('gives no text to a failure that has none', () => {
    const text = `{"id":"a","status":"failed","error":{"__proto__":${hostile}}}`
    expect(normaliseCallcov(JSON.parse(text))).toMatchObject({
      ok: true,
      event: { error: { message: 'unknown error' } },
    })
  })

  it('in the results stays a key of its own, as sent', () => {
    const json = JSON.parse('{"id":"a","status":"completed","results":{"__proto__":{"x":1}}}') as unknown
    expect(Object.hasOwn(completedEvent(json).results, '__proto__')).toBe(true)
  })
})
