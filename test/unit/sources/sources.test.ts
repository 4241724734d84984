import { describe, expect, it } from 'vitest'
import { EVENT_TYPES, findSource, sources } from '../../../src/sources/sources.ts'

describe('the sources', () => {
  it('are those of the providers', () => {
    expect(sources.map(({ name }) => name)).toEqual(['callcov', 'hamsa'])
    expect(findSource('hamsa')?.paths).toEqual(['/webhooks/hamsa'])
    expect(findSource('nobody')).toBeUndefined()
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
