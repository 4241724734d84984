import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { rawRequest } from '../support/raw-http.ts'
import { startReceiver } from '../support/receiver.ts'
import { startRedis } from '../support/redis-server.ts'
import { expectStoredExactly, readStored } from '../support/stored-bodies.ts'
import { waitFor } from '../support/wait.ts'

const BODY = '{"id":"form","status":"completed"}'
const RIGHT = sign(BODY)
const UNAUTHORIZED = '{"error":"Invalid signature"}'

const requestWith = (...signatureLines: string[]) =>
  Buffer.from(
    [
      'POST /webhooks/callcov HTTP/1.1',
      'Host: x',
      ...signatureLines,
      `Content-Length: ${BODY.length}`,
      '',
      BODY,
    ].join('\r\n'),
    'latin1',
  )
const named = (value: string) => `X-CallCov-Signature:${value}`

/** Every form of the header that must not pass, by the row it belongs to. */
const REFUSED: Record<string, [row: string, lines: string[]]> = {
  missing: ['SIG-01', []],
  'under another name': ['SIG-01', [`X-Hub-Signature-256: ${RIGHT}`, `Authorization: ${RIGHT}`]],
  empty: ['SIG-02', [named('')]],
  blank: ['SIG-02', [named(' \t ')]],
  'of 63 digits': ['SIG-03', [named(` ${RIGHT.slice(1)}`)]],
  'of 65 digits': ['SIG-03', [named(` ${RIGHT}0`)]],
  'of 10,000 digits': ['SIG-03', [named(` ${RIGHT.repeat(157).slice(0, 10_000)}`)]],
  'of 128 digits': ['SIG-03', [named(` ${RIGHT}${RIGHT}`)]],
  'with letters behind': ['SIG-04', [named(` ${RIGHT}zz`)]],
  'with a second one behind': ['SIG-04', [named(` ${RIGHT} ${RIGHT}`)]],
  'with a zero byte behind': ['SIG-04', [named(` ${RIGHT}\0`)]],
  'with something before': ['SIG-04', [named(` x${RIGHT}`)]],
  'with the prefix sha256=': ['SIG-06', [named(` sha256=${RIGHT}`)]],
  'with the prefix v1,': ['SIG-06', [named(` v1,${RIGHT}`)]],
  'with the prefix 0x': ['SIG-06', [named(` 0x${RIGHT}`)]],
  'in quotes': ['SIG-06', [named(` "${RIGHT}"`)]],
  'as base64': ['SIG-07', [named(` ${Buffer.from(RIGHT, 'hex').toString('base64')}`)]],
  'as base64url': ['SIG-07', [named(` ${Buffer.from(RIGHT, 'hex').toString('base64url')}`)]],
  'of other letters': ['SIG-08', [named(` ${'g'.repeat(64)}`)]],
  'of latin1 bytes': ['SIG-08', [named(` ${'é'.repeat(64)}`)]],
  'of full-width digits': ['SIG-08', [named(` ${Buffer.from('０'.repeat(64)).toString('latin1')}`)]],
  'with one byte beyond ASCII': ['SIG-08', [named(` ${RIGHT.slice(1)}\u00ff`)]],
  'wrong, then right': ['SIG-09', [named(` ${'0'.repeat(64)}`), named(` ${RIGHT}`)]],
  'right, then wrong': ['SIG-09', [named(` ${RIGHT}`), named(` ${'0'.repeat(64)}`)]],
  'right twice': ['SIG-09', [named(` ${RIGHT}`), named(` ${RIGHT}`)]],
  'right, then empty': ['SIG-09', [named(` ${RIGHT}`), named('')]],
  'right for another body': ['SIG-11', [named(` ${sign(`${BODY} `)}`)]],
  'right with another secret': ['SIG-17', [named(` ${sign(BODY, 'whsec_of_the_other_environment')}`)]],
}

describe('a signature header', () => {
  it.each(Object.entries(REFUSED).map(([form, [row, lines]]) => [row, form, lines] as const))(
    '%s: %s is refused with 401 in the one wording, and nothing is stored',
    async (_row, _form, lines) => {
      const redis = await startRedis()
      const receiver = await startReceiver(redis)
      const answer = await rawRequest(receiver.url, requestWith(...lines), { quietMs: 60 })
      expect(answer.statuses.every((status) => status === 401 || status === 400)).toBe(true)
      if (answer.statuses[0] === 401) expect(answer.text).toContain(UNAUTHORIZED)
      // Node itself refuses a zero byte in a header.
      expect(answer.statuses).toEqual([lines.join('').includes('\0') ? 400 : 401])
      expect(await readStored(redis)).toEqual(new Map())
    },
  )

  it('SIG-05: in upper and in mixed case passes', async () => {
    const { url } = await startReceiver(await startRedis())
    for (const value of [RIGHT.toUpperCase(), RIGHT.replaceAll('a', 'A')]) {
      expect((await rawRequest(url, requestWith(named(` ${value}`)))).statuses).toEqual([200])
    }
  })

  it('SIG-10: with blanks and tabs around the right value passes, under a name in any case', async () => {
    const { url } = await startReceiver(await startRedis())
    const forms = [
      named(RIGHT),
      named(` \t ${RIGHT}\t  `),
      `x-callcov-signature: ${RIGHT}`,
      `X-CALLCOV-SIGNATURE: ${RIGHT}`,
    ]
    for (const line of forms)
      expect([line, (await rawRequest(url, requestWith(line))).statuses]).toEqual([line, [200]])
  })

  it('SIG-01: of any form but the right one is refused, and never an error of the server', async () => {
    const { app } = await startReceiver(await startRedis())
    const anyForm = fc.oneof(
      fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
      fc.stringMatching(/^[0-9a-fA-F]{64}$/),
      fc
        .tuple(fc.nat({ max: 63 }), fc.stringMatching(/^[ -~]$/))
        .map(([at, mark]) => RIGHT.slice(0, at) + mark + RIGHT.slice(at + 1)),
    )
    await fc.assert(
      fc.asyncProperty(anyForm, async (value) => {
        const headers = { 'x-callcov-signature': value }
        const answer = await app.inject({ method: 'POST', url: '/webhooks/callcov', headers, payload: BODY })
        expect(answer.statusCode).toBe(value.trim().toLowerCase() === RIGHT ? 200 : 401)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a signed body', () => {
  it('SIG-12: with one byte flipped, at any place, is refused', async () => {
    const redis = await startRedis()
    const receiver = await startReceiver(redis)
    for (let position = 0; position < BODY.length; position += 1) {
      for (const bit of [1, 0x80]) {
        const body = Buffer.from(BODY)
        body.writeUInt8(body.readUInt8(position) ^ bit, position)
        const answer = await receiver.app.inject({
          method: 'POST',
          url: '/webhooks/callcov',
          headers: { 'x-callcov-signature': RIGHT },
          payload: body,
        })
        expect([position, answer.statusCode]).toEqual([position, 401])
      }
    }
    expect(await readStored(redis)).toEqual(new Map())
  })

  it('SIG-14: of invalid UTF-8 is told from another, and each is kept with its own bytes', async () => {
    const redis = await startRedis()
    const receiver = await startReceiver(redis)
    const [first, second] = [Buffer.from([0x22, 0xff, 0x22]), Buffer.from([0x22, 0xfe, 0x22])]
    const swapped = signedDelivery({ body: second, signature: sign(first) })
    expect((await post(`${receiver.url}/webhooks/callcov`, swapped)).status).toBe(401)
    for (const body of [first, second]) {
      expect((await post(`${receiver.url}/webhooks/callcov`, signedDelivery({ body }))).status).toBe(200)
    }
    await expectStoredExactly(redis, receiver, [{ body: first }, { body: second }])
  })

  it('SIG-15: passes with the new and the old secret, in either order, and with no other', async () => {
    const [old, next, gone] = [
      'whsec_old_0123456789abcdef',
      'whsec_new_0123456789abcdef',
      'whsec_gone_123456789abcdef',
    ]
    for (const secrets of [
      [next, old],
      [old, next],
    ]) {
      const { url } = await startReceiver(await startRedis(), { secrets })
      const statusWith = async (secret: string) =>
        (await post(`${url}/webhooks/callcov`, signedDelivery({ secret }))).status
      expect([await statusWith(old), await statusWith(next), await statusWith(gone)]).toEqual([200, 200, 401])
    }
  })

  it('SIG-19: reaches the service by no other form of the path, and by no header that names a method or path', async () => {
    const redis = await startRedis()
    const receiver = await startReceiver(redis)
    const request = requestWith(named(` ${RIGHT}`)).toString('latin1')
    const paths = [
      '/webhooks/callcov/',
      '//webhooks/callcov',
      '/webhooks//callcov',
      '/webhooks%2fcallcov',
      '/webhooks/callco%76',
      '/Webhooks/callcov',
      '/webhooks/callcov;a=1',
      '/webhooks/./callcov',
      '/webhooks/x/../callcov',
      '/webhooks/callcov%20',
      '/webhooks/callcov%00',
      '/webhooks\\callcov',
      '/webhooks/callcov.json',
      '*',
      '/webhooks/hamsa',
    ]
    for (const path of paths) {
      const unsigned = request.replace(RIGHT, '0'.repeat(64)).replace('/webhooks/callcov', path)
      const { statuses } = await rawRequest(receiver.url, unsigned, { quietMs: 60 })
      expect([path, statuses.every((status) => [400, 401, 404].includes(status))]).toEqual([path, true])
    }
    for (const header of [
      'X-HTTP-Method-Override: POST',
      'X-Method-Override: POST',
      'X-Original-URL: /webhooks/callcov',
      'X-Rewrite-URL: /webhooks/callcov',
    ]) {
      const get = request
        .replace('POST /webhooks/callcov', 'GET /webhooks/callcov')
        .replace('Host: x', `Host: x\r\n${header}`)
      expect([header, (await rawRequest(receiver.url, get, { quietMs: 60 })).statuses[0]]).toEqual([
        header,
        405,
      ])
    }
    expect(await readStored(redis)).toEqual(new Map())
  })

  it('SIG-20: is taken every time amid a flood of forged ones from the same address, whose lines are few', async () => {
    const { url, logLines } = await startReceiver(await startRedis())
    const startedAt = performance.now()
    const forged = Array.from({ length: 2000 }, () => signedDelivery({ signature: 'f'.repeat(64) }))
    const real = Array.from({ length: 100 }, () => signedDelivery())
    const statuses = { forged: [] as number[], real: [] as number[] }
    while (forged.length > 0) {
      const batch = forged.splice(0, 40).map((delivery) => ['forged', delivery] as const)
      const mixed = [...batch, ...real.splice(0, 2).map((delivery) => ['real', delivery] as const)]
      await Promise.all(
        mixed.map(async ([kind, delivery]) =>
          statuses[kind].push((await post(`${url}/webhooks/callcov`, delivery)).status),
        ),
      )
    }
    expect([new Set(statuses.forged), statuses.forged.length]).toEqual([new Set([401]), 2000])
    expect([new Set(statuses.real), statuses.real.length]).toEqual([new Set([200]), 100])
    const seconds = Math.ceil((performance.now() - startedAt) / 1000) + 1
    await waitFor('the lines', () => logLines.filter((line) => line.outcome === 'accepted').length === 100)
    expect(logLines.filter((line) => line.outcome === 'unauthorized').length).toBeLessThanOrEqual(
      10 * seconds,
    )
  })
})
