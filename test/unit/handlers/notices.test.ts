import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { noticeOf, type Notice } from '../../../src/handlers/builtin/notify/notice.ts'
import { Notices } from '../../../src/handlers/builtin/notify/notices.ts'
import { RetryLater } from '../../../src/handlers/handler-errors.ts'

const MINUTE_MS = 60_000
const signal = new AbortController().signal

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Notices that are sent into a list of counts; `fail` decides about each message. */
function startNotices() {
  const sent: number[] = []
  const problems: unknown[] = []
  const state: { fail: Error | undefined; before: (() => Promise<void>) | undefined } = {
    fail: undefined,
    before: undefined,
  }
  const notices = new Notices({
    everyMs: MINUTE_MS,
    async send(notice: Notice) {
      await state.before?.()
      if (state.fail !== undefined) throw state.fail
      sent.push(notice.count)
    },
    onProblem: (error) => problems.push(error),
  })
  const tell = (id = 'anl_1') => notices.tell(noticeOf(id, []), signal)
  return { notices, sent, problems, state, tell }
}

describe('notices of a kind', () => {
  it('are sent at once when none was sent in the last minute', async () => {
    const { tell, sent } = startNotices()
    await tell()
    expect(sent).toEqual([1])
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    await tell()
    expect(sent).toEqual([1, 1])
  })

  it('are collected for a minute after a message, and sent with their number', async () => {
    const { tell, sent } = startNotices()
    for (let index = 0; index < 200; index += 1) await tell()
    expect(sent).toEqual([1])
    await vi.advanceTimersByTimeAsync(MINUTE_MS - 1)
    expect(sent).toEqual([1])
    await vi.advanceTimersByTimeAsync(1)
    expect(sent).toEqual([1, 199])
    await tell()
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    expect(sent).toEqual([1, 199, 1])
    await vi.advanceTimersByTimeAsync(10 * MINUTE_MS)
    expect(sent).toEqual([1, 199, 1])
  })

  it('are collected while a message is on its way', async () => {
    const { tell, sent, state } = startNotices()
    const { promise, resolve } = Promise.withResolvers<void>()
    state.before = () => promise
    const first = tell()
    await tell()
    await tell()
    resolve()
    await first
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    expect(sent).toEqual([1, 2])
  })

  it('are refused when they cannot be sent, so that whoever tells them does it again, and count once', async () => {
    const { tell, sent, state } = startNotices()
    state.fail = new Error('down')
    const told = await Promise.allSettled([tell('a'), tell('b'), tell('c')])
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    await expect(tell('d')).rejects.toThrow('down')
    state.fail = undefined
    await tell('a')
    expect(sent).toEqual([3])
    await tell('d')
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    expect(sent).toEqual([3, 1])
  })

  it('that are collected and cannot be sent are tried again with the next, or each minute', async () => {
    const { tell, sent, state, problems } = startNotices()
    await tell()
    await tell()
    state.fail = new Error('down')
    await vi.advanceTimersByTimeAsync(3 * MINUTE_MS)
    expect([sent, problems.length]).toEqual([[1], 3])
    state.fail = undefined
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    expect(sent).toEqual([1, 1])
  })

  it('wait as long as they are asked to', async () => {
    const { tell, sent, state } = startNotices()
    state.fail = new RetryLater('5m')
    await expect(tell()).rejects.toBe(state.fail)
    state.fail = undefined
    await tell()
    await vi.advanceTimersByTimeAsync(5 * MINUTE_MS - 1)
    expect(sent).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(sent).toEqual([1])
  })

  it('that nobody waits for are sent as soon as they may be, and kept when they cannot', async () => {
    const { notices, sent, state, problems } = startNotices()
    state.fail = new Error('down')
    notices.collect(noticeOf('job-1', []))
    await vi.advanceTimersByTimeAsync(0)
    expect(problems).toHaveLength(1)
    state.fail = undefined
    notices.collect(noticeOf('job-2', []))
    await vi.advanceTimersByTimeAsync(MINUTE_MS)
    expect(sent).toEqual([2])
  })

  it('that are collected are sent at the stop, after the message that is on its way', async () => {
    const { notices, tell, sent, state } = startNotices()
    const { promise, resolve } = Promise.withResolvers<void>()
    state.before = () => promise
    const first = tell()
    await tell()
    const stopped = notices.stop(signal)
    resolve()
    await first
    expect(await stopped).toBe(0)
    expect(sent).toEqual([1, 1])
  })

  it('that cannot be sent at the stop are counted', async () => {
    const { notices, tell, state } = startNotices()
    for (const id of ['a', 'b', 'c']) await tell(id)
    state.fail = new Error('down')
    expect(await notices.stop(signal)).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })
})
