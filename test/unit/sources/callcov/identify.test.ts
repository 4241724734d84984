import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { identifyCallcov } from '../../../../src/sources/callcov/identify.ts'
import { anyJson } from '../../support/arbitrary-json.ts'
import { fixtureJson } from '../../support/fixtures.ts'

describe('a body of the webhooks guide (id and status)', () => {
  it('is named by its id and its status', () => {
    expect(identifyCallcov(fixtureJson('callcov-completed.json'))).toEqual({
      id: '7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41',
      type: 'analysis.completed',
      outcome: 'completed',
    })
    expect(identifyCallcov(fixtureJson('callcov-failed.json'))).toEqual({
      id: '0d5f8a17-62c4-4e9b-b3a8-c41e97d2056f',
      type: 'analysis.failed',
      outcome: 'failed',
    })
  })
})

describe('a body of the best practices (analysis_id and event)', () => {
  it('is named by its analysis_id and its event', () => {
    expect(identifyCallcov(fixtureJson('callcov-event-completed.json'))).toEqual({
      id: 'anl_7Qm2xKc41v',
      type: 'analysis.completed',
      outcome: 'completed',
    })
    expect(identifyCallcov(fixtureJson('callcov-event-failed.json'))).toEqual({
      id: 'anl_9tB0ZrW5hd',
      type: 'analysis.failed',
      outcome: 'failed',
    })
  })
})

describe('both shapes', () => {
  it('give one identity to one outcome, so that a delivery in the other shape is a duplicate', () => {
    expect(identifyCallcov({ event: 'analysis.failed', analysis_id: 'a' })).toEqual(
      identifyCallcov({ status: 'failed', id: 'a' }),
    )
  })

  it('mixed in one body are understood as long as they do not contradict each other', () => {
    const completed = { id: 'a', type: 'analysis.completed', outcome: 'completed' }
    expect(identifyCallcov({ event: 'analysis.completed', id: 'a' })).toEqual(completed)
    expect(identifyCallcov({ status: 'completed', analysis_id: 'a' })).toEqual(completed)
    expect(identifyCallcov({ event: 'analysis.completed', status: 'completed', id: 'a' })).toEqual(completed)
    expect(identifyCallcov({ event: null, status: 'completed', id: 'a' })).toEqual(completed)
    expect(identifyCallcov({ event: 'analysis.completed', status: null, analysis_id: 'a' })).toEqual(
      completed,
    )
  })

  it('with two ids take the one that belongs to the shape', () => {
    const ids = { id: 'of-the-object', analysis_id: 'of-the-event' }
    expect(identifyCallcov({ ...ids, status: 'completed' })?.id).toBe('of-the-object')
    expect(identifyCallcov({ ...ids, event: 'analysis.completed' })?.id).toBe('of-the-event')
  })

  it.each([
    ['a failed event with the status completed', { event: 'analysis.failed', status: 'completed' }],
    ['a completed event with the status failed', { event: 'analysis.completed', status: 'failed' }],
    ['a completed event that is still processing', { event: 'analysis.completed', status: 'processing' }],
    ['an unknown event with a known status', { event: 'analysis.started', status: 'completed' }],
    ['an empty event with a known status', { event: '', status: 'completed' }],
    ['a known event with a status that is no text', { event: 'analysis.completed', status: 5 }],
  ])('that contradict each other are not guessed at: %s', (_case, fields) => {
    expect(identifyCallcov({ id: 'a', analysis_id: 'a', ...fields })).toBeUndefined()
  })
})

describe('the id', () => {
  it.each([
    '0',
    'a:b',
    'anl_1',
    ' ',
    '../..',
    '__proto__',
    '🎧',
    'repeat:1:2',
    'a\nb',
    '\0',
    'x'.repeat(10_000),
  ])('may be any text that is not empty, and is kept as it is: %j (REP-06)', (id) => {
    expect(identifyCallcov({ id, status: 'completed' })?.id).toBe(id)
  })

  it('keeps apart what differs only in case or in normalisation (REP-07)', () => {
    const idOf = (id: string) => identifyCallcov({ id, status: 'completed' })?.id
    expect(idOf('A')).not.toBe(idOf('a'))
    expect(idOf('\u00e9')).not.toBe(idOf('e\u0301'))
  })

  it.each([
    [0, '0'],
    [42, '42'],
    [-7, '-7'],
    [9_007_199_254_740_991, '9007199254740991'],
  ])('%d, a whole number, becomes its decimal text', (id, text) => {
    expect(identifyCallcov({ id, status: 'completed' })?.id).toBe(text)
  })

  it.each(['9007199254740993', '12345678901234567890', '-9007199254740993', '1e21', '1.5', '1e400'])(
    '%s, a number that was rounded or is no whole one, is refused, as two ids could become one',
    (number) => {
      expect(identifyCallcov(JSON.parse(`{"id":${number},"status":"completed"}`))).toBeUndefined()
    },
  )

  it.each([
    ['missing', undefined],
    ['null', null],
    ['empty', ''],
    ['true', true],
    ['a list', ['a']],
    ['an object', {}],
  ])('that is %s is none', (_case, id) => {
    expect(identifyCallcov({ id, status: 'completed' })).toBeUndefined()
  })

  it('is taken from a key of its own, never from a prototype', () => {
    const text = '{"__proto__":{"id":"a","status":"completed"}}'
    expect(identifyCallcov(JSON.parse(text))).toBeUndefined()
  })
})

describe('anything else', () => {
  it.each([
    ['processing', { id: 'a', status: 'processing' }],
    ['a status in another case', { id: 'a', status: 'Completed' }],
    ['a status with the name of an event', { id: 'a', status: 'analysis.completed' }],
    ['an event of the future', { analysis_id: 'a', event: 'analysis.archived' }],
    ['an event without its prefix', { analysis_id: 'a', event: 'completed' }],
    ['no status at all', { id: 'a' }],
    ['a status from the prototype of all objects', { id: 'a', status: 'constructor' }],
    ['null', null],
    ['a text', 'analysis.completed'],
    ['a number', 5],
    ['a list', [{ id: 'a', status: 'completed' }]],
  ])('is not recognised: %s', (_case, json) => {
    expect(identifyCallcov(json)).toBeUndefined()
  })

  it('that JSON can hold never makes it throw, and a result is always complete', () => {
    fc.assert(
      fc.property(anyJson, (json) => {
        const identity = identifyCallcov(json)
        if (identity === undefined) return
        expect(identity.id).not.toBe('')
        expect(['analysis.completed', 'analysis.failed']).toContain(identity.type)
        expect(identity.type).toBe(`analysis.${identity.outcome}`)
      }),
      { numRuns: 1000 },
    )
  })
})
