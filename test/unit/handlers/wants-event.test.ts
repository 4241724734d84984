import { describe, expect, it } from 'vitest'
import { wantsEvent } from '../../../src/handlers/wants-event.ts'
import { hamsa } from '../../../src/sources/hamsa/index.ts'
import { endedCall } from '../../support/calls.ts'
import { completedAnalysis } from '../../support/deliveries.ts'
import { completedEvent } from '../support/normalised.ts'

const eventIn = (livemode?: boolean) => completedEvent({ ...completedAnalysis(), livemode })
const on = new Set(['analysis.completed'] as const)

describe('a handler', () => {
  it('is given only events of its types', () => {
    expect(wantsEvent({ on, livemode: undefined }, eventIn())).toBe(true)
    expect(wantsEvent({ on: new Set(['analysis.failed']), livemode: undefined }, eventIn())).toBe(false)
  })

  it.each([
    [undefined, { live: true, test: true, silent: true }],
    [true, { live: true, test: false, silent: true }],
    [false, { live: false, test: true, silent: false }],
  ])('with livemode %s is given live, test-mode and undeclared events: %o', (livemode, expected) => {
    const wants = (event: ReturnType<typeof eventIn>) => wantsEvent({ on, livemode }, event)
    expect({ live: wants(eventIn(true)), test: wants(eventIn(false)), silent: wants(eventIn()) }).toEqual(
      expected,
    )
  })

  it.each([
    [undefined, true],
    [true, true],
    [false, false],
  ])('with livemode %s is given events of a source that has no mode: %s', (livemode, expected) => {
    const normalised = hamsa.normalise(endedCall())
    if (!normalised.ok) throw new Error(normalised.problem)
    expect(wantsEvent({ on: new Set(['call.ended']), livemode }, normalised.event)).toBe(expected)
  })
})
