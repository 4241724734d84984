import { describe, expect, it } from 'vitest'
import { MAX_CRASHES } from '../../../src/worker/crash-count.ts'
import { stepBackMs, SuspectGate } from '../../../src/worker/suspects.ts'

describe('jobs that were running when a worker died', () => {
  it('run one at a time, in the order in which they came', async () => {
    const gate = new SuspectGate()
    const leave = await gate.enter()
    const order: number[] = []
    const others = [1, 2, 3].map(async (number) => {
      const leaveToo = await gate.enter()
      order.push(number)
      await Promise.resolve()
      leaveToo?.()
      return leaveToo !== undefined
    })
    await Promise.resolve()
    expect(order).toEqual([])
    leave?.()
    expect(await Promise.all(others)).toEqual([true, true, true])
    expect(order).toEqual([1, 2, 3])
  })

  it('step back when their turn does not come soon, and hold up nobody by that', async () => {
    const gate = new SuspectGate()
    const leave = await gate.enter()
    expect(await Promise.all([gate.enter(), gate.enter()])).toEqual([undefined, undefined])
    leave?.()
    expect(await gate.enter()).toBeTypeOf('function')
  })

  it('wait for each other only within one worker', async () => {
    await new SuspectGate().enter()
    expect(await new SuspectGate().enter()).toBeTypeOf('function')
  })

  it('step back for 0.5 to 5 s', () => {
    expect(stepBackMs(() => 0)).toBe(500)
    expect(stepBackMs(() => 0.5)).toBe(2750)
    expect(stepBackMs(() => 1 - Number.EPSILON)).toBe(5000)
  })

  it('step back for different times, so that they do not all return at once', () => {
    const times = Array.from({ length: 100 }, () => stepBackMs())
    expect(new Set(times).size).toBeGreaterThan(50)
  })

  it('are forgiven more crashes than a rolling deployment causes (PRO-12)', () => {
    expect(MAX_CRASHES).toBeGreaterThan(3)
  })
})
