import { describe, expect, it } from 'vitest'
import { callcov } from '../../src/sources/callcov/index.ts'
import { hamsa } from '../../src/sources/hamsa/index.ts'
import { callDelivery, HAMSA_TOKEN } from '../support/calls.ts'
import { post, SECRET, signedDelivery, type Delivery } from '../support/deliveries.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startReceiver, type TestReceiver } from '../support/receiver.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { expectStoredExactly, readStored } from '../support/stored-bodies.ts'
import { waitFor } from '../support/wait.ts'

const PATH = '/webhooks/hamsa'
const OLD_TOKEN = 'hamsa_old_0123456789abcdef'
const WRONG_TOKEN = `${HAMSA_TOKEN.slice(0, -1)}X`

async function start(tokens: readonly string[] = [HAMSA_TOKEN]): Promise<[TestReceiver, RedisServer]> {
  const redis = await startRedis()
  const served = [
    { source: callcov, secrets: { current: [SECRET] } },
    { source: hamsa, secrets: { current: tokens } },
  ]
  return [await startReceiver(redis, { sources: served }), redis]
}

function requestWith(lines: readonly string[], path = PATH): string {
  const { body } = callDelivery()
  const head = [`POST ${path} HTTP/1.1`, 'Host: x', ...lines, `Content-Length: ${Buffer.byteLength(body)}`]
  return `${head.join('\r\n')}\r\n\r\n${String(body)}`
}

/** Every form of a token that must not pass. */
const REFUSED: Record<string, { lines: string[]; path?: string }> = {
  'no header': { lines: [] },
  'an empty one': { lines: ['Authorization:'] },
  'the token without its scheme': { lines: [`Authorization: ${HAMSA_TOKEN}`] },
  'another scheme': { lines: [`Authorization: Basic ${HAMSA_TOKEN}`] },
  'Basic with the token as password': {
    lines: [`Authorization: Basic ${Buffer.from(`hamsa:${HAMSA_TOKEN}`).toString('base64')}`],
  },
  'two blanks': { lines: [`Authorization: Bearer  ${HAMSA_TOKEN}`] },
  'a wrong last character': { lines: [`Authorization: Bearer ${WRONG_TOKEN}`] },
  'one character more': { lines: [`Authorization: Bearer ${HAMSA_TOKEN}0`] },
  'one character less': { lines: [`Authorization: Bearer ${HAMSA_TOKEN.slice(0, -1)}`] },
  'two headers, right and right': {
    lines: [`Authorization: Bearer ${HAMSA_TOKEN}`, `Authorization: Bearer ${HAMSA_TOKEN}`],
  },
  'two headers, right and wrong': {
    lines: [`Authorization: Bearer ${HAMSA_TOKEN}`, `Authorization: Bearer ${WRONG_TOKEN}`],
  },
  'two headers, wrong and right': {
    lines: [`Authorization: Bearer ${WRONG_TOKEN}`, `Authorization: Bearer ${HAMSA_TOKEN}`],
  },
  'two headers, right and empty': { lines: [`Authorization: Bearer ${HAMSA_TOKEN}`, 'Authorization:'] },
  'the token in the query': { lines: [], path: `${PATH}?token=${HAMSA_TOKEN}&access_token=${HAMSA_TOKEN}` },
  'the token in another header': { lines: [`X-Authorization: Bearer ${HAMSA_TOKEN}`] },
  'the token of before the rotation': { lines: [`Authorization: Bearer ${OLD_TOKEN}`] },
}

describe('a webhook of Hamsa', () => {
  it.each(Object.entries(REFUSED))(
    'HAM-01: with %s is refused with 401 in the one wording, and nothing is stored',
    async (_form, { lines, path }) => {
      const [receiver, redis] = await start()
      const answer = await rawRequest(receiver.url, requestWith(lines, path))
      expect(answer.statuses).toEqual([401])
      expect(answer.text).toContain('{"error":"Unauthorized"}')
      expect(await readStored(redis)).toEqual(new Map())
    },
  )

  it.each([
    ['as documented', `Authorization: Bearer ${HAMSA_TOKEN}`],
    ['with the scheme in lower case', `authorization: bearer ${HAMSA_TOKEN}`],
    ['with blanks around', `AUTHORIZATION: \t Bearer ${HAMSA_TOKEN}\t  `],
  ])('HAM-01: with the token %s passes, configured with the word Bearer or without', async (_form, line) => {
    for (const configured of [HAMSA_TOKEN, `Bearer ${HAMSA_TOKEN}`, `bearer ${HAMSA_TOKEN}`]) {
      const [receiver] = await start([configured])
      const answer = await rawRequest(receiver.url, requestWith([line]))
      expect([configured, answer.statuses]).toEqual([configured, [200]])
      expect(answer.text).toContain('{"received":true}')
    }
  })

  it('HAM-02: passes with the new and the old token while they are rotated, and with no other', async () => {
    const [{ url }] = await start([HAMSA_TOKEN, `Bearer ${OLD_TOKEN}`])
    const statusWith = async (token: string) => (await post(`${url}${PATH}`, callDelivery({ token }))).status
    expect([
      await statusWith(HAMSA_TOKEN),
      await statusWith(OLD_TOKEN),
      await statusWith('hamsa_gone_0123456789abcdef'),
    ]).toEqual([200, 200, 401])
  })

  it('with a wrong token is refused before its body has come', async () => {
    const [{ url }] = await start()
    const head = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n`
    const wrong = await rawRequest(url, `${head}Authorization: Bearer ${WRONG_TOKEN}\r\n\r\n`)
    expect(wrong.statuses).toEqual([401])
    const right = await rawRequest(url, `${head}Authorization: Bearer ${HAMSA_TOKEN}\r\n\r\n`, {
      quietMs: 60,
    })
    expect(right.statuses).not.toContain(200)
  })

  it('is checked in the order of the others, and answered alike', async () => {
    const redis = await startRedis()
    const served = [{ source: hamsa, secrets: { current: [HAMSA_TOKEN] } }]
    const { url } = await startReceiver(redis, { sources: served, bodyLimitBytes: 20_000 })
    const answerTo = async (delivery: Delivery, headers: Record<string, string> = {}) => {
      const sent = { ...delivery, headers: { ...delivery.headers, ...headers } }
      const answer = await post(`${url}${PATH}`, sent)
      return [answer.status, await answer.json()]
    }
    const tooLong = callDelivery({ body: ' '.repeat(20_001) })
    const unknown = { authorization: 'Bearer nobody' }
    expect(await answerTo(tooLong, { ...unknown, 'content-encoding': 'gzip' })).toEqual([
      415,
      { error: 'Unsupported content encoding' },
    ])
    expect(await answerTo(tooLong, unknown)).toEqual([413, { error: 'Payload too large' }])
    expect(await answerTo(callDelivery(), unknown)).toEqual([401, { error: 'Unauthorized' }])
    for (const type of ['text/plain', ';;;', 'x']) {
      expect(await answerTo(callDelivery(), { 'content-type': type })).toEqual([200, { received: true }])
    }
    const get = await fetch(`${url}${PATH}`)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
  })

  it('that cannot be understood is kept as it is, and answered 200', async () => {
    const [receiver, redis] = await start()
    const bodies = ['', 'no JSON', '{"callId":"c","eventType":"call.transferred"}', Buffer.from([0xff])]
    for (const body of bodies) {
      expect((await post(`${receiver.url}${PATH}`, callDelivery({ body }))).status).toBe(200)
    }
    await expectStoredExactly(
      redis,
      receiver,
      bodies.map((body) => ({ body })),
    )
    expect(receiver.logLines.filter((line) => line.outcome === 'unrecognised')).toHaveLength(bodies.length)
  })

  it('HAM-06: is no duplicate of another in the same millisecond, only of itself', async () => {
    const [receiver] = await start()
    const fields = { callId: 'c', eventType: 'transcription.update' }
    const said = (text: string) => callDelivery({ fields, content: { text } })
    for (const text of ['one', 'two', 'one', 'two']) await post(`${receiver.url}${PATH}`, said(text))
    const outcomes = () => receiver.logLines.filter((line) => line.id === 'c').map((line) => line.outcome)
    await waitFor('the lines', () => outcomes().length === 4)
    expect(outcomes()).toEqual(['accepted', 'accepted', 'duplicate', 'duplicate'])
  })
})

describe('HAM-05: a webhook on the path of the other source', () => {
  it.each([
    ['of CallCov with its signature', PATH, signedDelivery(), 'Unauthorized'],
    ['of Hamsa with its token', '/webhooks/callcov', callDelivery(), 'Invalid signature'],
    [
      'of CallCov with its secret as the token',
      PATH,
      { ...signedDelivery(), headers: { authorization: `Bearer ${SECRET}` } },
      'Unauthorized',
    ],
    [
      'of Hamsa signed with its token',
      '/webhooks/callcov',
      signedDelivery({ body: String(callDelivery().body), secret: HAMSA_TOKEN }),
      'Invalid signature',
    ],
  ])('%s is refused', async (_which, path, delivery, error) => {
    const [{ url }, redis] = await start()
    const answer = await post(`${url}${path}`, delivery)
    expect([answer.status, await answer.json()]).toEqual([401, { error }])
    expect(await readStored(redis)).toEqual(new Map())
  })

  it('with a proof of that one is kept, and is no event of it', async () => {
    const [{ url, logLines }] = await start()
    const call = String(callDelivery().body)
    const analysis = String(signedDelivery().body)
    expect((await post(`${url}${PATH}`, callDelivery({ body: analysis }))).status).toBe(200)
    expect((await post(`${url}/webhooks/callcov`, signedDelivery({ body: call }))).status).toBe(200)
    await waitFor('the lines', () => logLines.filter((line) => line.outcome === 'unrecognised').length === 2)
  })

  it('with the same id, and even the same bytes, is a delivery of its own', async () => {
    const [{ url, logLines }] = await start()
    // Each source finds in it what it looks for.
    const body = JSON.stringify({ id: 'same', status: 'completed', callId: 'same', eventType: 'call.ended' })
    for (let time = 0; time < 2; time += 1) {
      expect((await post(`${url}${PATH}`, callDelivery({ body }))).status).toBe(200)
      expect((await post(`${url}/webhooks/callcov`, signedDelivery({ body }))).status).toBe(200)
    }
    const outcomes = () =>
      logLines
        .filter((line) => line.id === 'same')
        .map(({ source, outcome }) => `${String(source)} ${String(outcome)}`)
    await waitFor('the lines', () => outcomes().length === 4)
    expect(outcomes().toSorted()).toEqual([
      'callcov accepted',
      'callcov duplicate',
      'hamsa accepted',
      'hamsa duplicate',
    ])
  })
})
