import { describe, expect, it } from 'vitest'
import type { CallEnded, CallEvent } from '../../../../src/sources/hamsa/events.ts'
import { normaliseHamsa } from '../../../../src/sources/hamsa/normalise.ts'
import { callEvent, endedCall, HAMSA_FIXTURES, readCallFixture } from '../../../support/calls.ts'

const fixture = (file: (typeof HAMSA_FIXTURES)[number]) =>
  JSON.parse(readCallFixture(file).toString()) as Record<string, unknown>

function normalised(json: unknown) {
  const result = normaliseHamsa(json)
  if (!result.ok) throw new Error(`became no event: ${result.problem}`)
  return result
}

function eventOf(json: unknown): CallEvent {
  return normalised(json).event
}

function endedOf(json: unknown): CallEnded {
  const event = eventOf(json)
  if (event.type !== 'call.ended') throw new Error(`became ${event.type}`)
  return event
}

function problemOf(json: unknown): string {
  const result = normaliseHamsa(json)
  if (result.ok) throw new Error(`became an event ${result.event.type}`)
  return result.problem
}

describe('the end of a call', () => {
  it('becomes an event with every field of the guide', () => {
    const json = fixture('hamsa-call-ended.json')
    const { event, createdAt, missing } = normalised(json)
    expect(event).toEqual({
      type: 'call.ended',
      source: 'hamsa',
      callId: '3f1c7f0e-5a2d-4c36-9b8e-71d0c5b4aa19',
      timestamp: '2026-01-12T08:17:44.310Z',
      projectId: 'proj_4be1f0',
      agentId: 'agent_delivery_01',
      agentName: 'Delivery Desk',
      conversationId: 'conv-6a0d-42f7-b11e',
      recordingUrl: 'https://storage.tryhamsa.com/recordings/example-conv-6a0d.mp3',
      transcript: [
        { speaker: 'Agent', text: 'Hello, this is the delivery desk. How can I help?' },
        { speaker: 'User', text: 'I would like to move my delivery to Thursday.' },
        {
          speaker: 'Agent',
          text: 'Of course. Thursday between nine and twelve is free, shall I book it?',
        },
        { speaker: 'User', text: 'Yes please.' },
        { speaker: 'Agent', text: 'Done. You will get a text message in a minute.' },
      ],
      outcome: expect.objectContaining({ order_number: 'ORD-55810', sentiment_score: 0.74 }) as unknown,
      data: (json.data as { data: unknown }).data,
      raw: json,
    })
    expect([createdAt, missing]).toEqual(['2026-01-12T08:17:44.310Z', []])
  })

  it('leaves JSON in the values of the outcome as the text it is', () => {
    expect(endedOf(fixture('hamsa-call-ended.json')).outcome?.new_slot).toBe(
      '{"day":"Thursday","from":"09:00","to":"12:00"}',
    )
  })

  it('may lack anything but its call: missing fields are null, and told by name', () => {
    const { event, createdAt, missing } = normalised({ eventType: 'call.ended', callId: 'c' })
    expect(event).toEqual({
      type: 'call.ended',
      source: 'hamsa',
      callId: 'c',
      timestamp: null,
      projectId: null,
      agentId: null,
      agentName: null,
      conversationId: null,
      recordingUrl: null,
      transcript: null,
      outcome: null,
      data: null,
      raw: { eventType: 'call.ended', callId: 'c' },
    })
    expect(createdAt).toBeNull()
    expect(missing).toEqual(['timestamp', 'data', 'conversationId', 'transcription', 'outcomeResult'])
  })

  it('without a recording lacks nothing that handlers need', () => {
    const content = { conversationId: 'c', transcription: [], outcomeResult: {} }
    const { event, missing } = normalised(endedCall(content))
    expect(event).toMatchObject({ recordingUrl: null, transcript: [], outcome: {} })
    expect(missing).toEqual([])
  })

  it('takes null for absent, and a number where a text is expected', () => {
    const content = { conversationId: 5, conversationRecording: null, transcription: null }
    expect(endedOf(endedCall(content))).toMatchObject({ conversationId: '5', transcript: null })
  })

  it('may tell a transcript whose items hold several turns, none, or one without words', () => {
    const transcription = [{ Agent: 'Hello.', User: 'Hi.' }, {}, { User: null }]
    expect(endedOf(endedCall({ transcription })).transcript).toEqual([
      { speaker: 'Agent', text: 'Hello.' },
      { speaker: 'User', text: 'Hi.' },
      { speaker: 'User', text: '' },
    ])
  })
})

describe('the content of an event', () => {
  it.each(HAMSA_FIXTURES)('of %s is what is inside data.data', (file) => {
    const json = fixture(file)
    expect(eventOf(json).data).toBe((json.data as { data: unknown }).data)
  })

  it.each(['call.started', 'call.answered', 'transcription.update', 'tool.executed'])(
    'of %s is handed on as it is, since nothing of it is documented',
    (type) => {
      const content = { anything: { at: ['all'] } }
      const { event, missing } = normalised(callEvent(type, content))
      expect(event).toMatchObject({ type, data: content })
      expect(missing).toEqual([])
    },
  )

  it('stands in data itself when it is not wrapped twice', () => {
    const json = { ...endedCall(), data: { conversationId: 'c' } }
    expect(endedOf(json)).toMatchObject({ conversationId: 'c', data: { conversationId: 'c' } })
  })

  it.each([
    ['no data', {}],
    ['data that are null', { data: null }],
    ['inner data that are null', { data: { timestamp: null, data: null } }],
  ])('is null with %s, which is told', (_case, fields) => {
    const json = { eventType: 'tool.executed', callId: 'c', timestamp: '2026-01-12T08:17:44.310Z', ...fields }
    expect(eventOf(json).data).toBeNull()
    expect(normalised(json).missing).toEqual(['data'])
  })
})

describe('the time of an event', () => {
  it('is told in UTC', () => {
    expect(eventOf({ ...endedCall(), timestamp: '2026-01-12T10:17:44+02:00' }).timestamp).toBe(
      '2026-01-12T08:17:44.000Z',
    )
  })

  it('may stand in data alone', () => {
    const { timestamp: _timestamp, ...rest } = endedCall()
    expect(normalised(rest)).toMatchObject({
      event: { timestamp: '2026-01-12T08:17:44.310Z' },
      createdAt: '2026-01-12T08:17:44.310Z',
      missing: [],
    })
    expect(eventOf({ ...rest, data: { timestamp: 'soon', data: {} } }).timestamp).toBeNull()
  })
})

describe('a known field of another type than documented', () => {
  it.each([
    ['timestamp', { timestamp: 'CANARY' }],
    ['timestamp', { timestamp: 1_768_205_864 }],
    ['projectId', { projectId: ['CANARY'] }],
    ['agentId', { agentId: { CANARY: 1 } }],
    ['agentName', { agentName: true }],
    ['data', { data: 'CANARY' }],
    ['data.data', { data: { data: 'CANARY' } }],
    ['conversationId', { data: { data: { conversationId: ['CANARY'] } } }],
    ['conversationRecording', { data: { data: { conversationRecording: { CANARY: 1 } } } }],
    ['transcription', { data: { data: { transcription: 'CANARY' } } }],
    ['transcription.1', { data: { data: { transcription: [{}, 'CANARY'] } } }],
    ['transcription.0', { data: { data: { transcription: [{ CANARY: {} }] } } }],
    ['outcomeResult', { data: { data: { outcomeResult: ['CANARY'] } } }],
  ])('at %s is a problem that names the path and never the value', (path, fields) => {
    const problem = problemOf({ ...endedCall(), ...fields })
    expect(problem.split(': ', 1)).toEqual([path])
    expect(problem).not.toContain('CANARY')
  })

  it('is none where nothing is documented', () => {
    expect(eventOf(callEvent('tool.executed', { transcription: 5 })).data).toEqual({ transcription: 5 })
  })
})

it('a body that names no call is a problem and no event', () => {
  expect(problemOf({ eventType: 'call.ended', agentName: 'CANARY' })).not.toContain('CANARY')
  expect(problemOf(null)).not.toBe('')
})

it('a key named __proto__ changes no other object and is not lost', () => {
  const json = JSON.parse(
    '{"eventType":"call.ended","callId":"c","data":{"data":{"__proto__":{"polluted":1},' +
      '"transcription":[{"__proto__":"said"}],"outcomeResult":{"__proto__":{"x":1}}}}}',
  ) as unknown
  const event = endedOf(json)
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  expect(event.conversationId).toBeNull()
  expect(event.transcript).toEqual([{ speaker: '__proto__', text: 'said' }])
  expect(Object.hasOwn(event.outcome ?? {}, '__proto__')).toBe(true)
})
