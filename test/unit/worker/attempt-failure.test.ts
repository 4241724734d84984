import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PermanentError, RetryLater } from '../../../src/handlers/handler-errors.ts'
import { AttemptFailure, describeThrown } from '../../../src/worker/attempt-failure.ts'

const TEN_MB = 10 * 1024 * 1024
/** Room for the reason and 500 characters of text. */
const MESSAGE_MAX = 520

const throwing = () => {
  throw new Error('thrown while being read')
}
const circular: Record<string, unknown> = { message: 'round' }
circular.self = circular
const hostileProxy = (target: object) =>
  new Proxy(target, { get: throwing, has: throwing, getPrototypeOf: throwing, ownKeys: throwing })
const revoked = Proxy.revocable({}, {})
revoked.revoke()
const unprintable = Object.assign(() => {}, { toString: throwing })

/** Everything a handler can throw, and a text that the reason must then hold. */
const THROWN: [name: string, thrown: unknown, holds: string][] = [
  ['an error', new Error('CRM answered 500'), 'Error: CRM answered 500'],
  ['an error of another class', new TypeError('x is undefined'), 'TypeError: x is undefined'],
  ['an error without a text', new Error(), 'Error'],
  ['a text', 'out of paper', 'out of paper'],
  ['an empty text', '', 'threw'],
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['a number', 42, '42'],
  ['NaN', Number.NaN, 'NaN'],
  ['a boolean', false, 'false'],
  ['a big number', 7n, '7'],
  ['a symbol', Symbol('odd'), 'odd'],
  ['a function', () => 'x', 'threw'],
  ['a function that cannot be printed', unprintable, 'cannot be read'],
  ['an empty object', {}, 'object'],
  ['an object without a prototype', Object.create(null), 'object'],
  ['an object with a text', { message: 'half an error' }, 'half an error'],
  ['an object whose text is none', { message: { a: 1 }, name: 5 }, 'object'],
  ['a list', ['a'], 'object'],
  ['a frozen error', Object.freeze(new Error('frozen')), 'frozen'],
  ['a circular object', circular, 'round'],
  ['a proxy that throws', hostileProxy({}), 'cannot be read'],
  ['a proxy of an error that throws', hostileProxy(new Error('inner')), 'cannot be read'],
  ['a proxy that was revoked', revoked.proxy, 'cannot be read'],
  [
    'an object with a getter that throws',
    {
      get message() {
        return throwing()
      },
    },
    'cannot be read',
  ],
  [
    'an error with a stack that throws',
    Object.defineProperty(new Error('x'), 'stack', { get: throwing }),
    'cannot be read',
  ],
  ['an error with a text of 10 MB', new Error('m'.repeat(TEN_MB)), 'mmmm'],
  ['a text of 10 MB', 't'.repeat(TEN_MB), 'tttt'],
  ['an error with a name of 10 MB', Object.assign(new Error('x'), { name: 'n'.repeat(TEN_MB) }), 'nnnn'],
]

describe('whatever a handler throws', () => {
  it.each(THROWN)(
    'is described in a short text with the reason first: %s (PRO-07)',
    (_name, thrown, holds) => {
      const failure = describeThrown(thrown)
      expect(failure).toBeInstanceOf(AttemptFailure)
      expect(failure.message).toMatch(/^failed: ./)
      expect(failure.message).toContain(holds)
      expect(failure.message.length).toBeLessThanOrEqual(MESSAGE_MAX)
      expect(failure).toMatchObject({ reason: 'failed', final: false, delayMs: undefined })
    },
  )

  it('can be described: there is nothing that cannot', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
        (thrown) => {
          expect(describeThrown(thrown).message).toMatch(/^failed: /)
        },
      ),
    )
  })
})

describe('the stack that is kept of an error', () => {
  it('tells where it happened, in few lines and without the text', () => {
    const { stack } = describeThrown(new Error('CANARY of a customer'))
    const lines = (stack ?? '').split('\n')
    expect(lines[0]).toMatch(/^ {4}at .*attempt-failure\.test\.ts/)
    expect(lines.length).toBeLessThanOrEqual(5)
    expect(stack).not.toContain('CANARY')
  })

  it.each([
    ['a text of 10 MB', new Error('m'.repeat(TEN_MB))],
    ['a stack of 10 MB', Object.assign(new Error('x'), { stack: '    at x\n'.repeat(TEN_MB / 9) })],
    ['a stack in one long line', Object.assign(new Error('x'), { stack: `    at ${'x'.repeat(TEN_MB)}` })],
    ['no stack', Object.assign(new Error('x'), { stack: undefined })],
    ['a stack that is no text', Object.assign(new Error('x'), { stack: 5 })],
  ])('is bounded for an error with %s', (_case, thrown) => {
    expect((describeThrown(thrown).stack ?? '').length).toBeLessThanOrEqual(20_000)
  })
})

describe('errors by which a handler decides', () => {
  it('PermanentError ends the attempts, for the reason it gives', () => {
    const failure = describeThrown(new PermanentError('the customer is gone'))
    expect(failure).toMatchObject({ reason: 'permanent', final: true })
    expect(failure.message).toBe('permanent: the customer is gone')
  })

  it('RetryLater sets the delay and leaves further attempts', () => {
    const failure = describeThrown(new RetryLater('10m'))
    expect(failure).toMatchObject({ reason: 'failed', final: false, delayMs: 600_000 })
  })

  it('are recognised also when the handler carries a copy of the classes of its own', () => {
    const permanent = Object.assign(new Error('gone'), {
      [Symbol.for('callcov-webhook-receiver.permanent')]: true,
    })
    const later = Object.assign(new Error('busy'), {
      [Symbol.for('callcov-webhook-receiver.retryAfterMs')]: 5000,
    })
    expect(describeThrown(permanent).final).toBe(true)
    expect(describeThrown(later).delayMs).toBe(5000)
  })

  it('are recognised also when a handler extends them', () => {
    class CustomerGone extends PermanentError {}
    expect(describeThrown(new CustomerGone('gone')).final).toBe(true)
  })
})
