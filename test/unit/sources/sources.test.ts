import { describe, expect, it } from 'vitest'
import { EVENT_TYPES, eventId, findSource, sources } from '../../../src/sources/sources.ts'

describe('the sources', () => {
  it('are those of the providers', () => {
    expect(sources.map(({ name }) => name)).toEqual(['callcov', 'hamsa'])
    expect(findSource('hamsa')?.paths).toEqual(['/webhooks/hamsa'])
    expect(findSource('nobody')).toBeUndefined()
  })

  it.each([
    ['callcov', { id: 'anl_1', status: 'completed', callId: 'c-1' }, 'anl_1'],
    ['callcov', { analysis_id: 17, event: 'analysis.failed' }, '17'],
    ['hamsa', { callId: 'c-1', eventType: 'call.ended', id: 'anl_1' }, 'c-1'],
  ])('tell the id that %s itself gave: %j', (name, body, id) => {
    const normalised = findSource(name)?.normalise(body)
    if (normalised?.ok !== true) throw new Error('became no event')
    expect(eventId(normalised.event, '')).toBe(id)
  })

  it.each([
    ['name', sources.map(({ name }) => name)],
    ['path', sources.flatMap(({ paths }) => paths)],
    ['event type', EVENT_TYPES],
    ['setting', sources.map(({ secret }) => secret.setting)],
  ])('share no %s', (_what, values) => {
    expect(new Set(values).size).toBe(values.length)
  })
})
