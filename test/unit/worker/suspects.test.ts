import { describe, expect, it } from 'vitest'
import { MAX_CRASHES, stepBackMs, SuspectGate } from '../../../src/worker/suspects.ts'

describe('jobs that were running when a worker died', () => {
  it('run one at a time', () => {
    const gate = new SuspectGate()
    const leave = gate.tryEnter()
    expect(leave).toBeTypeOf('function')
    expect(gate.tryEnter()).toBeUndefined()
    leave?.()
    expect(gate.tryEnter()).toBeTypeOf('function')
    expect(gate.tryEnter()).toBeUndefined()
  })

  it('wait for each other only within one worker', () => {
    new SuspectGate().tryEnter()
    expect(new SuspectGate().tryEnter()).toBeTypeOf('function')
  })

  it('step back for 0.5 to 5 s when another one is running', () => {
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
