import { describe, expect, it } from 'vitest'
import { identifyHamsa } from '../../../../src/sources/hamsa/identify.ts'
import { endedCall, HAMSA_FIXTURES, readCallFixture } from '../../../support/calls.ts'

const DIGEST = 'a7'.repeat(32)
const OTHER_DIGEST = 'b8'.repeat(32)

describe('an event of Hamsa', () => {
  it.each(HAMSA_FIXTURES)('in %s is named by its call and its type', (file) => {
    const json = JSON.parse(readCallFixture(file).toString()) as Record<string, unknown>
    expect(identifyHamsa(json, DIGEST)).toEqual({
      id: '3f1c7f0e-5a2d-4c36-9b8e-71d0c5b4aa19',
      type: json.eventType,
      outcome: `${String(json.eventType)} ${String(json.timestamp)} ${DIGEST}`,
    })
  })

  it('is told from another by type, time and body', () => {
    const event = endedCall()
    const outcomes = [
      identifyHamsa(event, DIGEST),
      identifyHamsa(event, OTHER_DIGEST),
      identifyHamsa({ ...event, eventType: 'call.started' }, DIGEST),
      identifyHamsa({ ...event, timestamp: '2026-01-12T08:17:44.311Z' }, DIGEST),
    ]
    expect(new Set(outcomes.map((identity) => identity?.outcome)).size).toBe(outcomes.length)
  })

  it('may lack its time, or have one that is none: the body still tells it from others', () => {
    for (const timestamp of [undefined, null, 5, {}]) {
      const identity = identifyHamsa({ ...endedCall(), timestamp }, DIGEST)
      expect(identity?.outcome).toBe(`call.ended  ${DIGEST}`)
    }
  })

  it('may number its calls, as long as no two numbers share one text', () => {
    expect(identifyHamsa({ ...endedCall(), callId: 17 }, DIGEST)?.id).toBe('17')
    expect(identifyHamsa({ ...endedCall(), callId: 2 ** 53 }, DIGEST)).toBeUndefined()
  })

  it.each([
    ['no object', 'call.ended'],
    ['null', null],
    ['a list', [endedCall()]],
    ['without a call', { ...endedCall(), callId: undefined }],
    ['with an empty call', { ...endedCall(), callId: '' }],
    ['with a call that is no text', { ...endedCall(), callId: {} }],
    ['of an unknown type', { ...endedCall(), eventType: 'call.transferred' }],
    ['of a type in other letters', { ...endedCall(), eventType: 'Call.Ended' }],
    ['without a type', { ...endedCall(), eventType: undefined }],
    ['of another provider', { id: 'a', status: 'completed' }],
  ])('is not recognised when it is %s', (_case, json) => {
    expect(identifyHamsa(json, DIGEST)).toBeUndefined()
  })
})
