import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { createForwardHandlers } from '../../src/handlers/builtin/forward/index.ts'
import { isPermanent, retryAfterMs } from '../../src/handlers/handler-errors.ts'
import { CANARIES } from '../support/canary.ts'
import { completedAnalysis } from '../support/deliveries.ts'
import { failureOf, forwardTo, runForward, signingSecret, TARGET_CANARY } from '../support/forward-handler.ts'
import { HOSTILE_IDS } from '../support/hostile-strings.ts'
import { startTarget, type TargetRequest } from '../support/target.ts'
import { readFixture } from '../unit/support/fixtures.ts'

const ID = 'd1'.repeat(32)

function verify(secret: string, { body, headers }: TargetRequest): unknown {
  return new Webhook(secret).verify(body.toString(), headers as Record<string, string>)
}

describe('the handlers of the targets', () => {
  it('are one each, with the events that each wants and a breaker of its own', () => {
    const targets = [
      { name: 'crm', url: 'https://crm.example/hook', on: ['analysis.completed'] },
      { name: 'audit', url: 'https://audit.example/', on: ['analysis.completed', 'analysis.failed'] },
    ] as const
    const handlers = createForwardHandlers({
      targets,
      secrets: () => [],
      timeoutMs: 15_000,
      allowPrivate: [],
    })
    expect(handlers).toMatchObject([
      {
        name: 'forward-crm',
        on: targets[0].on,
        breaker: { failures: 5, openFor: '30s' },
        timeout: '20000ms',
      },
      { name: 'forward-audit', on: targets[1].on, breaker: { failures: 5, openFor: '30s' } },
    ])
  })
})

describe('a forwarded event', () => {
  it.each(['callcov-completed-es.json', 'callcov-event-failed.json'] as const)(
    'has the body of %s byte for byte, its key and its type',
    async (file) => {
      const target = await startTarget()
      await runForward(forwardTo(target.url), { body: readFixture(file), deliveryId: ID })
      const [request] = target.requests
      expect(request?.body.equals(readFixture(file))).toBe(true)
      expect(request?.path).toBe(`/hook?token=${TARGET_CANARY}`)
      expect(request?.headers).toMatchObject({
        'content-type': 'application/json',
        'idempotency-key': ID,
        'webhook-id': ID,
        'x-webhook-source': 'callcov',
        'x-webhook-event': file.includes('failed') ? 'analysis.failed' : 'analysis.completed',
      })
    },
  )

  it('has the same key on each attempt, and another one on each replay', async () => {
    const target = await startTarget()
    const handler = forwardTo(target.url)
    await runForward(handler, { deliveryId: ID })
    await runForward(handler, { deliveryId: ID, attempt: 2 })
    await runForward(handler, { deliveryId: ID, replay: 1 })
    await runForward(handler, { deliveryId: ID, replay: 2, attempt: 3 })
    const keys = target.requests.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([ID, ID, `${ID}-r1`, `${ID}-r2`])
    expect(target.requests.map(({ headers }) => headers['webhook-id'])).toEqual(keys)
  })

  it('verifies by the library of the standard, with the secrets of the moment', async () => {
    const target = await startTarget()
    const [old, fresh] = [signingSecret(), signingSecret()]
    let secrets = [old]
    const handler = forwardTo(target.url, { secrets: () => secrets })
    await runForward(handler)
    secrets = [fresh, old]
    await runForward(handler)
    secrets = [fresh]
    await runForward(handler)
    const accepted = target.requests.map((request) =>
      [old, fresh].map((secret) => {
        try {
          return verify(secret, request) !== undefined
        } catch {
          return false
        }
      }),
    )
    expect(accepted).toEqual([
      [true, false],
      [true, true],
      [false, true],
    ])
  })

  it('SSR-08: carries nothing of ours and of the request it came with but the body', async () => {
    const target = await startTarget()
    await runForward(forwardTo(target.url))
    expect(Object.keys(target.requests[0]?.headers ?? {}).toSorted()).toEqual([
      'connection',
      'content-length',
      'content-type',
      'host',
      'idempotency-key',
      'user-agent',
      'webhook-id',
      'webhook-signature',
      'webhook-timestamp',
      'x-webhook-event',
      'x-webhook-source',
    ])
  })

  it('SSR-07: takes no header from the payload, whatever it holds', async () => {
    const target = await startTarget()
    const handler = forwardTo(target.url)
    const texts = [
      'a\r\nx-evil: 1',
      'a\nx-evil: 1',
      '\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n',
      ...HOSTILE_IDS,
    ]
    for (const id of texts) {
      await runForward(handler, { body: JSON.stringify({ ...completedAnalysis(), id }) })
    }
    const names = new Set(target.requests.map(({ headers }) => Object.keys(headers).toSorted().join(' ')))
    expect(names.size).toBe(1)
    expect(names).not.toContain('x-evil')
    expect(target.requests).toHaveLength(texts.length)
  })
})

describe('a target that does not take it', () => {
  it('with 4xx ends the attempts, by its host and status alone', async () => {
    const target = await startTarget({ kind: 'answer', status: 422, body: CANARIES.transcript })
    const failure = await failureOf(runForward(forwardTo(target.url)))
    expect([failure.message, isPermanent(failure)]).toEqual(['127.0.0.1 answered 422', true])
  })

  it('with 503 and Retry-After says when to come again', async () => {
    const target = await startTarget({ kind: 'answer', status: 503, headers: { 'retry-after': '20' } })
    const failure = await failureOf(runForward(forwardTo(target.url)))
    expect(failure.message).toBe('127.0.0.1 answered 503')
    expect(retryAfterMs(failure)).toBeGreaterThanOrEqual(20_000)
    expect(retryAfterMs(failure)).toBeLessThan(21_000)
  })

  it('SSR-04: with a redirect is told so, and the other address gets nothing', async () => {
    const other = await startTarget()
    for (const status of [301, 302, 303, 307, 308]) {
      const target = await startTarget({ kind: 'answer', status, headers: { location: other.url } })
      const failure = await failureOf(runForward(forwardTo(target.url)))
      expect(failure.message).toContain(`answered ${status}; redirects are not followed`)
      expect(failure.message).not.toContain(TARGET_CANARY)
      expect(isPermanent(failure)).toBe(false)
    }
    expect(other.connections).toBe(0)
  })

  it('SSR-01: at a private address is told by it and by the setting', async () => {
    const target = await startTarget()
    const handler = forwardTo(target.url, { allowPrivate: [] })
    const failure = await failureOf(runForward(handler))
    expect(failure.message).toBe('127.0.0.1 is a private address, which FORWARD_ALLOW_PRIVATE does not name')
    expect([isPermanent(failure), target.connections]).toEqual([false, 0])
  })

  it('in time, or hangs up, is tried again', async () => {
    const target = await startTarget({ kind: 'silence' })
    const handler = forwardTo(target.url, { timeoutMs: 200 })
    const late = await failureOf(runForward(handler))
    target.behaviour = { kind: 'hang up' }
    const cut = await failureOf(runForward(handler))
    expect([late, cut].map(({ message }) => message)).toEqual([
      '127.0.0.1 did not answer within 200 ms',
      '127.0.0.1 could not be reached or broke off its answer (ECONNRESET)',
    ])
    expect([late, cut].map(isPermanent)).toEqual([false, false])
  })

  it('with an endless answer of success has taken it', async () => {
    const target = await startTarget({ kind: 'endless answer' })
    await runForward(forwardTo(target.url))
    expect(target.requests).toHaveLength(1)
  })
})
