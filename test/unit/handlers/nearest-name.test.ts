import { expect, it } from 'vitest'
import { nearestName } from '../../../src/handlers/nearest-name.ts'

const NAMES = ['timeout', 'attempts', 'on', 'onDeadLetter']

it.each([
  ['timout', 'timeout'],
  ['TIMEOUT', 'timeout'],
  ['attempt', 'attempts'],
  ['ondeadletter', 'onDeadLetter'],
  ['on', 'on'],
  ['retries', undefined],
  ['', 'on'],
])('%s was most probably meant to be %s', (mistyped, name) => {
  expect(nearestName(mistyped, NAMES)).toBe(name)
})
