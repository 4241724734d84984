import { describe, expect, it } from 'vitest'
import { completedAnalysis } from '../../../support/deliveries.ts'
import { fixtureJson } from '../../support/fixtures.ts'
import { completedEvent, failedEvent } from '../../support/normalised.ts'

describe('a completed analysis of the webhooks guide', () => {
  it('becomes an event with every field of the guide', () => {
    const json = fixtureJson('callcov-completed.json')
    const event = completedEvent(json)
    expect(event).toMatchObject({
      type: 'analysis.completed',
      source: 'callcov',
      analysisId: '7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41',
      status: 'completed',
      createdAt: '2025-11-06T10:30:00.000Z',
      livemode: null,
      call: { agentId: 'agent_0147', contactId: 'customer_88213' },
      audio: {
        url: 'https://s3.amazonaws.com/callcov/example/7c9e3b52.wav',
        durationSeconds: 64.2,
        format: 'wav',
      },
      partial: false,
    })
    expect(event.transcript.text).toMatch(/^Agent: Good morning, you are through to Northwind Energy/)
    expect(event.transcript.language).toBeNull()
    expect(event.transcript.segments).toHaveLength(10)
    expect(event.transcript.segments[9]).toEqual({
      speaker: 'Agent',
      text: 'Thank you for your patience, have a good day.',
      start: 61.3,
      end: 64.2,
    })
  })

  it('hands on the results and the whole JSON exactly as sent', () => {
    const json = fixtureJson('callcov-completed.json')
    const event = completedEvent(json)
    expect(event.results).toEqual(fixtureJson('callcov-completed.json').results)
    expect(event.raw).toEqual(fixtureJson('callcov-completed.json'))
  })

  it('may be in Spanish and hold keys beyond the guide', () => {
    const event = completedEvent(fixtureJson('callcov-completed-es.json'))
    expect(event).toMatchObject({
      analysisId: 'e2b0c6a8-93d7-4b1e-8f42-5a7d90c3e164',
      createdAt: '2025-11-07T10:31:00.000Z',
      livemode: false,
      call: { agentId: 'agente_iñigo', contactId: 'cliente_5521' },
      audio: { durationSeconds: 43, format: 'mp3' },
      transcript: { language: 'es' },
    })
    expect(event.transcript.segments[3]?.text).toBe('Sí, es la 00-4471-Ñ.')
    expect(event.raw).toHaveProperty('metadata.processing_time_ms', 107_312)
  })

  it('is partial when it carries no results', () => {
    const { results: _results, ...without } = completedAnalysis()
    for (const json of [without, { ...without, results: null }]) {
      const { results, partial } = completedEvent(json)
      expect({ results, partial }).toEqual({ results: {}, partial: true })
    }
  })

  it('is whole when an area of the results is missing', () => {
    const results = { summary: 'short', compliance: {} }
    const event = completedEvent({ ...completedAnalysis(), results })
    expect(event.results).toEqual(results)
    expect(event.partial).toBe(false)
  })

  it('needs nothing but its id and its status', () => {
    expect(completedEvent({ id: 'a', status: 'completed' })).toEqual({
      type: 'analysis.completed',
      source: 'callcov',
      analysisId: 'a',
      status: 'completed',
      createdAt: null,
      livemode: null,
      call: { agentId: null, contactId: null },
      audio: { url: null, durationSeconds: null, format: null },
      transcript: { text: null, language: null, segments: [] },
      results: {},
      partial: true,
      raw: { id: 'a', status: 'completed' },
    })
  })

  it('takes null for absent, and a number where an id is expected', () => {
    const fields = { call: { agent_id: 147, contact_id: null }, audio: null, transcript: { segments: null } }
    expect(completedEvent({ ...completedAnalysis(), ...fields })).toMatchObject({
      call: { agentId: '147', contactId: null },
      audio: { url: null },
      transcript: { text: null, segments: [] },
    })
  })

  it('may tell its time in ISO 8601', () => {
    const created = '2026-01-02T03:04:05+02:00'
    expect(completedEvent({ ...completedAnalysis(), created }).createdAt).toBe('2026-01-02T01:04:05.000Z')
  })
})

describe('a completed analysis of the best practices', () => {
  it('becomes the same event, with the results from result', () => {
    const event = completedEvent(fixtureJson('callcov-event-completed.json'))
    expect(event).toMatchObject({
      type: 'analysis.completed',
      analysisId: 'anl_7Qm2xKc41v',
      status: 'completed',
      createdAt: null,
      partial: false,
    })
    expect(event.results).toEqual(fixtureJson('callcov-event-completed.json').result)
  })

  it('may hold the whole analysis object in result, which is then unwrapped', () => {
    const whole = fixtureJson('callcov-completed.json')
    const event = completedEvent({ event: 'analysis.completed', analysis_id: 'anl_1', result: whole })
    const plain = completedEvent(whole)
    expect(event).toEqual({ ...plain, analysisId: 'anl_1', raw: event.raw })
    expect(event.raw).toEqual({ event: 'analysis.completed', analysis_id: 'anl_1', result: whole })
  })

  it('takes what stands beside result before what stands in it', () => {
    const result = { results: {}, livemode: true, audio: { format: 'wav' } }
    const json = { event: 'analysis.completed', analysis_id: 'anl_1', livemode: false, result }
    expect(completedEvent(json)).toMatchObject({ livemode: false, audio: { format: 'wav' } })
  })

  it('is partial when the whole analysis object in result has no results', () => {
    const whole = { ...completedAnalysis(), results: null }
    const json = { event: 'analysis.completed', analysis_id: 'anl_1', result: whole }
    const { results, partial, call } = completedEvent(json)
    expect({ results, partial }).toEqual({ results: {}, partial: true })
    expect(call.agentId).toBe('agent_0147')
  })

  it('is partial without result', () => {
    const { results, partial } = completedEvent({ event: 'analysis.completed', analysis_id: 'anl_1' })
    expect({ results, partial }).toEqual({ results: {}, partial: true })
  })
})

describe('a failed analysis', () => {
  it('of the webhooks guide tells its error_message', () => {
    expect(failedEvent(fixtureJson('callcov-failed.json'))).toMatchObject({
      type: 'analysis.failed',
      analysisId: '0d5f8a17-62c4-4e9b-b3a8-c41e97d2056f',
      status: 'failed',
      createdAt: '2025-11-06T11:35:00.000Z',
      audio: { durationSeconds: 0, format: 'ogg' },
      transcript: { text: null, segments: [] },
      error: {
        message: 'Audio could not be decoded: the stream ended after 0 frames',
        code: null,
        details: null,
      },
    })
  })

  it('of the best practices tells its error object', () => {
    expect(failedEvent(fixtureJson('callcov-event-failed.json'))).toMatchObject({
      type: 'analysis.failed',
      analysisId: 'anl_9tB0ZrW5hd',
      error: {
        message: 'The uploaded file is not a supported audio format',
        code: 'invalid_file_format',
        details: { provided_format: 'pdf' },
      },
    })
  })

  it.each([
    ['in error as a text', { error: 'too short' }, 'too short'],
    ['in error as an object', { error: { message: 'too short' } }, 'too short'],
    ['only in metadata', { metadata: { error_message: 'too short' } }, 'too short'],
    [
      'in all three, the nearest first',
      { error_message: '1', error: '2', metadata: { error_message: '3' } },
      '1',
    ],
    [
      'in the first that is not empty',
      { error_message: '', error: { message: '' }, metadata: { error_message: '3' } },
      '3',
    ],
    ['nowhere', {}, 'unknown error'],
    ['in fields that are all null', { error_message: null, error: null, metadata: null }, 'unknown error'],
    ['in an error object without a text', { error: { code: 'x' } }, 'unknown error'],
    ['in a text that is no text', { error: { message: { a: 1 } } }, 'unknown error'],
  ])('has a message when it stands %s', (_case, fields, message) => {
    expect(failedEvent({ id: 'a', status: 'failed', ...fields }).error.message).toBe(message)
  })

  it('tells what the whole analysis object in result says', () => {
    const result = { results: null, error_message: 'too short', call: { agent_id: 'agent_1' } }
    expect(failedEvent({ event: 'analysis.failed', analysis_id: 'a', result })).toMatchObject({
      error: { message: 'too short' },
      call: { agentId: 'agent_1' },
    })
  })
})
