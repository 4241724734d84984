import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Breaker, type RunVerdict } from '../../../src/worker/breaker.ts'

const OPEN_FOR_MS = 30_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  return () => vi.useRealTimers()
})

function setup({ failures = 3 } = {}) {
  const seen: unknown[] = []
  const breaker = new Breaker(
    { failures, openForMs: OPEN_FOR_MS },
    { onOpen: (restMs, isFirst) => seen.push({ restMs, isFirst }), onClose: () => seen.push('closed') },
  )
  const run = async (verdict: RunVerdict) => {
    const entry = breaker.tryEnter()
    await entry?.leave(verdict)
    return entry !== undefined
  }
  const runAll = async (...verdicts: RunVerdict[]) => {
    for (const verdict of verdicts) await run(verdict)
  }
  const passRest = () => vi.advanceTimersByTime(breaker.remainingMs)
  return { breaker, seen, run, runAll, passRest }
}

describe('a breaker', () => {
  it('opens after so many failures in a row, and then lets nothing run until its rest is over', async () => {
    const { breaker, seen, run, runAll } = setup()
    await runAll('failure', 'failure')
    expect(breaker.isClosed).toBe(true)
    await run('failure')
    expect(seen).toEqual([{ restMs: OPEN_FOR_MS, isFirst: true }])
    vi.advanceTimersByTime(OPEN_FOR_MS - 1)
    expect(breaker.tryEnter()).toBeUndefined()
    vi.advanceTimersByTime(1)
    expect(breaker.tryEnter()).toMatchObject({ isProbe: true })
  })

  it('begins to count again with each success, and not with what says nothing', async () => {
    const { breaker, runAll } = setup()
    await runAll('failure', 'failure', 'success', 'failure', 'failure')
    expect(breaker.isClosed).toBe(true)
    await runAll('nothing', 'nothing', 'failure')
    expect(breaker.isClosed).toBe(false)
  })

  it('lets one probe run at a time', async () => {
    const { breaker, runAll, passRest } = setup()
    await runAll('failure', 'failure', 'failure')
    passRest()
    const probe = breaker.tryEnter()
    expect(probe).toBeDefined()
    expect(breaker.tryEnter()).toBeUndefined()
    await probe?.leave('nothing')
    expect(breaker.isClosed).toBe(false)
    const second = breaker.tryEnter()
    expect(second).toMatchObject({ isProbe: true })
    await second?.leave('success')
    expect(breaker.isClosed).toBe(true)
  })

  it('rests twice as long after each probe that failed, to ten times, and from the start after a success', async () => {
    const { seen, run, runAll, passRest } = setup()
    await runAll('failure', 'failure', 'failure')
    for (let count = 0; count < 6; count += 1) {
      passRest()
      expect(await run('failure')).toBe(true)
    }
    const rests = seen.map((event) => (event as { restMs: number }).restMs / OPEN_FOR_MS)
    expect(rests).toEqual([1, 2, 4, 8, 10, 10, 10])
    passRest()
    await run('success')
    expect(seen.at(-1)).toBe('closed')
    await runAll('failure', 'failure', 'failure')
    expect(seen.at(-1)).toEqual({ restMs: OPEN_FOR_MS, isFirst: true })
  })

  it.each(['success', 'failure'] as const)(
    'takes no notice of a %s of what began before it opened',
    async (verdict) => {
      const { breaker, seen, runAll, passRest } = setup()
      const [during, after] = [breaker.tryEnter(), breaker.tryEnter()]
      await runAll('failure', 'failure', 'failure')
      await during?.leave(verdict)
      passRest()
      await after?.leave(verdict)
      expect(seen).toHaveLength(1)
      expect(breaker.tryEnter()).toMatchObject({ isProbe: true })
    },
  )

  it('closes when it is told that another one found the target well', async () => {
    const { breaker, seen, runAll } = setup()
    await runAll('failure', 'failure', 'failure')
    breaker.close()
    expect(seen.at(-1)).toBe('closed')
    expect(breaker.tryEnter()).toMatchObject({ isProbe: false })
    breaker.close()
    expect(seen).toHaveLength(2)
  })
})
