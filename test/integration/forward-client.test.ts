import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { HttpClient, type HttpAnswer, type HttpRequest } from '../../src/handlers/builtin/http/post.ts'
import { openBlackHole } from '../support/black-hole.ts'
import { failureOf, TARGET_CANARY } from '../support/forward-handler.ts'
import { startNameServer } from '../support/name-server.ts'
import { selfSigned } from '../support/self-signed.ts'
import { startTarget } from '../support/target.ts'
import { waitFor } from '../support/wait.ts'

const POST_PROCESS = fileURLToPath(new URL('../support/post-process.ts', import.meta.url))
const BODY = Buffer.from('{"id":"a"}')

function startClient(change: Partial<ConstructorParameters<typeof HttpClient>[0]> = {}): HttpClient {
  const client = new HttpClient({ maxSockets: 50, allowPrivate: ['127.0.0.1'], ...change })
  onTestFinished(() => client.close())
  return client
}

async function post(client: HttpClient, url: string, change: Partial<HttpRequest> = {}): Promise<HttpAnswer> {
  const { signal } = new AbortController()
  return await client.post(url, { headers: {}, body: BODY, timeoutMs: 5000, signal, ...change })
}

/** What a process with these variables gets from one request. */
async function postInProcess(url: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [POST_PROCESS, url], {
    env: { PATH: process.env.PATH, ...env },
  })
  return stdout
}

describe('private addresses', () => {
  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.100.100.200',
    '100.127.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '192.88.99.1',
    '168.63.129.16',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '[::]',
    '[::1]',
    '[fe80::1]',
    '[febf::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[ff02::1]',
    '[fec0::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:8.8.8.8]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::7f00:1]',
    '[100::1]',
    '[2001::1]',
    '[2001:db8::1]',
    '[2002:7f00:1::]',
    '[3fff::1]',
    '[4000::1]',
  ])('SSR-01: %s is refused before anything connects', async (host) => {
    const client = startClient({ allowPrivate: [] })
    expect(await failureOf(post(client, `http://${host}:8000/`))).toMatchObject({
      name: 'RefusedAddressError',
    })
    expect(await failureOf(post(client, `https://${host}/`))).toMatchObject({ name: 'RefusedAddressError' })
  })

  it.each(['[::]', '[::1]', '10.0.0.1', 'localhost'])('SSR-01: %s is named in the error', async (host) => {
    const failure = await failureOf(post(startClient({ allowPrivate: [] }), `http://${host}:8000/p?q=1`))
    expect(failure.message).toContain(host.replaceAll(/[[\]]/g, ''))
    expect(failure.message).not.toContain('q=1')
  })

  it('SSR-01: a listening target gets no connection', async () => {
    const target = await startTarget()
    const client = startClient({ allowPrivate: ['10.0.0.0/8', 'crm.internal', '::1', '127.0.0.2'] })
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '0.0.0.0', '127.1']) {
      const failure = await failureOf(post(client, `http://${host}:${target.port}/`))
      expect([host, failure.name]).toEqual([host, 'RefusedAddressError'])
    }
    expect(target.connections).toBe(0)
  })

  it.each([
    ['the address', '127.0.0.1', '127.0.0.1'],
    ['a network', '127.0.0.0/8', '127.0.0.1'],
    ['the name', 'localhost', 'localhost'],
    ['the name in another case', 'LocalHost', 'LOCALHOST'],
    ['the address behind a name', '127.0.0.0/8,::1', 'localhost'],
  ])('may be connected to when %s is allowed', async (_what, allowed, host) => {
    const target = await startTarget()
    const client = startClient({ allowPrivate: allowed.split(',') })
    expect((await post(client, `http://${host}:${target.port}/`)).status).toBe(204)
  })

  it.each([
    '2130706433',
    '0x7f000001',
    '017700000001',
    '0x7f.1',
    '0177.1',
    '127.1',
    '127.0.1',
    '0',
    '127.0.0.1.',
    '①②⑦.0.0.1',
    '１２７.０.０.１',
    '127。0。0。1',
    '%31%32%37.0.0.1',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[0000:0000:0000:0000:0000:0000:0000:0001]',
    'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
    'LOCALHOST',
  ])('SSR-02: the notation %s reaches nothing', async (host) => {
    const target = await startTarget()
    const failure = await failureOf(post(startClient({ allowPrivate: [] }), `http://${host}:${target.port}/`))
    expect(failure.name).toBe('RefusedAddressError')
    expect(target.connections).toBe(0)
  })

  it.each([
    'http://a@127.0.0.1:PORT/',
    'http://a:b@127.0.0.1:PORT/',
    'http://public.example@127.0.0.1:PORT/',
    'http://127.0.0.1:PORT\\@public.example/',
    'http://127.0.0.1:PORT#@public.example/',
    'http://127.0.0.1:PORT?@public.example/',
    'http:\\\\127.0.0.1:PORT/',
    'http:127.0.0.1:PORT/',
    'http:/127.0.0.1:PORT/',
    'http://localhost.:PORT/',
    ' http://127.0.0.1:PORT/ ',
    'ht\ntp://127.0.0.1:PORT/',
    'http://127.0.0.1%00.public.example:PORT/',
    'http://[fe80::1%25lo]:PORT/',
  ])('SSR-02: the spelling %j reaches nothing', async (spelling) => {
    const target = await startTarget()
    const url = spelling.replace('PORT', String(target.port))
    await expect(post(startClient({ allowPrivate: [] }), url)).rejects.toThrow()
    expect(target.connections).toBe(0)
  })
})

describe('names', () => {
  it.each([
    ['a private address', ['127.0.0.1']],
    ['a private IPv6 address', ['::1']],
    ['a mapped address', ['::ffff:7f00:1']],
    ['public and private addresses', ['93.184.216.34', '127.0.0.1']],
    ['a private IPv6 address among public ones', ['93.184.216.34', '2606:2800:220:1::1', '::1']],
    ['the address of the metadata', ['169.254.169.254']],
  ])('SSR-03: with %s are refused', async (_what, addresses) => {
    const target = await startTarget()
    const names = await startNameServer(() => addresses)
    const client = startClient({ allowPrivate: [], lookup: names.lookup })
    const failure = await failureOf(post(client, `http://rebind.example:${target.port}/`))
    expect(failure.name).toBe('RefusedAddressError')
    expect(failure.message).toMatch(/^rebind\.example has the private address /)
    expect([names.queries, target.connections]).toEqual([1, 0])
  })

  it('SSR-03: that change to a private address after the first connection are refused from then on', async () => {
    const target = await startTarget({ kind: 'answer', status: 200, headers: { connection: 'close' } })
    const names = await startNameServer((query) => (query % 2 === 1 ? ['127.0.0.1'] : ['127.0.0.2']))
    const client = startClient({ lookup: names.lookup })
    const url = `http://rebind.example:${target.port}/`
    expect((await post(client, url)).status).toBe(200)
    expect(await failureOf(post(client, url))).toMatchObject({ name: 'RefusedAddressError' })
    expect((await post(client, url)).status).toBe(200)
    expect(await failureOf(post(client, url))).toMatchObject({ name: 'RefusedAddressError' })
    // One question for each connection: there is none between check and connection whose answer could differ.
    expect([names.queries, target.connections]).toEqual([4, 2])
  })

  it('that are allowed may have private addresses, and no others', async () => {
    const target = await startTarget()
    const { lookup } = await startNameServer(() => ['127.0.0.1'])
    const client = startClient({ allowPrivate: ['crm.internal'], lookup })
    for (const host of ['crm.internal', 'CRM.internal.']) {
      expect((await post(client, `http://${host}:${target.port}/`)).status).toBe(204)
    }
    for (const host of ['a.crm.internal', 'internal', 'crm.internal.example']) {
      const failure = await failureOf(post(client, `http://${host}:${target.port}/`))
      expect(failure.name).toBe('RefusedAddressError')
    }
  })

  it('OVL-08: whose connections are never made end with the time', async () => {
    const url = `http://127.0.0.1:${await openBlackHole()}/`
    await expect(post(startClient(), url, { timeoutMs: 300 })).rejects.toThrow('did not answer within 300 ms')
  })

  it('of no address are an error that may pass', async () => {
    const names = await startNameServer(() => [])
    const failure = await failureOf(post(startClient({ lookup: names.lookup }), 'http://gone.example/'))
    expect(failure.message).toMatch(/^gone\.example could not be reached/)
  })

  it('OVL-08: of a slow name server are asked for once by all who wait, and none waits beyond its time', async () => {
    const names = await startNameServer(async () => await new Promise<never>(() => {}))
    let lookups = 0
    const client = startClient({
      lookup: (host, options, done) => {
        lookups += 1
        names.lookup(host, options, done)
      },
    })
    const startedAt = performance.now()
    const failures = await Promise.all(
      Array.from({ length: 40 }, () => failureOf(post(client, 'http://slow.example/', { timeoutMs: 300 }))),
    )
    expect(performance.now() - startedAt).toBeLessThan(3000)
    expect(new Set(failures.map(({ message }) => message))).toEqual(
      new Set(['slow.example did not answer within 300 ms']),
    )
    expect(lookups).toBe(1)
  })
})

describe('schemes and ports', () => {
  it.each([
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_FLUSHALL',
    'data:application/json,{}',
    'ftp://ftp.example/',
    'ws://crm.example/',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/x',
    'javascript:0',
    'crm.example/hook',
    '',
  ])('SSR-05: %j is no target', async (url) => {
    const failure = await failureOf(post(startClient(), url))
    expect(failure.message).toMatch(/^the target (is no address|must begin with http)/)
  })

  it.each([22, 25, 53, 110, 139, 445, 3306, 5432, 6379, 9092, 11_211, 27_017])(
    'SSR-05: port %i is refused, of public and of allowed addresses alike',
    async (port) => {
      for (const host of ['crm.example', '127.0.0.1']) {
        const failure = await failureOf(post(startClient(), `http://${host}:${port}/`))
        expect(failure.message).toBe(`the target has the port ${port} of another protocol`)
      }
    },
  )
})

describe('answers', () => {
  it('SSR-04: that redirect are handed back and not followed', async () => {
    const other = await startTarget()
    for (const location of [other.url, 'file:///etc/passwd', 'http://169.254.169.254/latest/']) {
      for (const status of [301, 302, 303, 307, 308]) {
        const target = await startTarget({ kind: 'answer', status, headers: { location } })
        const answer = await post(startClient(), target.url)
        expect([answer.status, answer.headers.location]).toEqual([status, location])
      }
    }
    expect(other.connections).toBe(0)
  })

  it('SSR-06: without an end are cut after 64 KiB, and the connection is closed', async () => {
    const target = await startTarget({ kind: 'endless answer' })
    const answer = await post(startClient(), target.url)
    expect([answer.status, answer.text.length]).toEqual([200, 64 * 1024])
    await waitFor('the connection to be closed', () => target.openConnections === 0)
  })

  it('SSR-06: that come drop by drop end with the time for all of it', async () => {
    const url = await startRawServer('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n', { drops: 'x' })
    await expect(post(startClient(), url, { timeoutMs: 500 })).rejects.toThrow('did not answer within 500 ms')
  })

  it('SSR-06: whose head comes drop by drop end with the time too', async () => {
    const url = await startRawServer('HTTP/1.1 200 OK\r\nx-slow: ', { drops: 'x' })
    await expect(post(startClient(), url, { timeoutMs: 500 })).rejects.toThrow('did not answer within 500 ms')
  })

  it('SSR-06: that never come end with the time', async () => {
    const target = await startTarget({ kind: 'silence' })
    const startedAt = performance.now()
    await expect(post(startClient(), target.url, { timeoutMs: 300 })).rejects.toThrow(
      'did not answer within 300 ms',
    )
    expect(performance.now() - startedAt).toBeLessThan(3000)
    await waitFor('the connection to be closed', () => target.openConnections === 0)
  })

  it.each([
    ['a header of 10 MB', `x-bomb: ${'x'.repeat(10_000_000)}\r\n`],
    ['a million headers', 'x-bomb: x\r\n'.repeat(1_000_000)],
    ['interim answers for ever', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ])('SSR-06: with %s are given up', async (_what, text) => {
    const isInterim = text.startsWith('HTTP')
    const url = await startRawServer(isInterim ? text : `HTTP/1.1 200 OK\r\n${text}`, {
      drops: isInterim ? text : '',
    })
    const failure = await failureOf(post(startClient(), url, { timeoutMs: 1000 }))
    expect(failure.message).toMatch(isInterim ? 'did not answer within' : 'HPE_HEADER_OVERFLOW')
  })

  it('SSR-06: that are compressed are not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024))
    const headers = { 'content-encoding': 'gzip' }
    const target = await startTarget({ kind: 'answer', status: 200, headers, body: bomb })
    const answer = await post(startClient(), target.url)
    expect(answer.text.length).toBeLessThanOrEqual(64 * 1024)
    expect(target.requests[0]?.headers).not.toHaveProperty('accept-encoding')
  })

  it('that are none, or an upgrade nobody asked for, are an error', async () => {
    const answers = ['', 'SSH-2.0-OpenSSH\r\n', 'HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n']
    for (const text of answers) {
      const url = await startRawServer(text, { isClosed: true })
      await expect(post(startClient(), url)).rejects.toThrow(
        /^127\.0\.0\.1 could not be reached or broke off its answer/,
      )
    }
  })

  it('that come before the whole body was sent are taken, and the connection is closed', async () => {
    const url = await startRawServer('HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n', { isDeaf: true })
    const answer = await post(startClient(), url, { body: Buffer.alloc(20_000_000) })
    expect(answer.status).toBe(413)
  })
})

describe('requests', () => {
  it('SSR-07: cannot carry line breaks in a header', async () => {
    const target = await startTarget()
    const values = ['a\r\nx-evil: 1', 'a\nb', 'a\rb', 'a\0b', 'a\u010db']
    for (const value of values) {
      await expect(post(startClient(), target.url, { headers: { 'x-a': value } })).rejects.toThrow(
        'Invalid character in header content',
      )
    }
    expect(target.connections).toBe(0)
  })

  it('SSR-09: go straight to the target, whatever proxy the environment names', async () => {
    const [target, proxy] = [await startTarget(), await startTarget()]
    const proxyUrl = `http://127.0.0.1:${proxy.port}`
    const env = {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: proxyUrl,
      http_proxy: proxyUrl,
      HTTPS_PROXY: proxyUrl,
      ALL_PROXY: proxyUrl,
    }
    expect(await postInProcess(target.url, env)).toBe('204')
    expect([target.connections, proxy.connections]).toEqual([1, 0])
  })

  it('SSR-10: are sent to nobody without a certificate that is trusted, and no variable changes that', async () => {
    const { key, cert, certPath } = selfSigned()
    const target = await startTarget({ kind: 'answer', status: 200 }, { key, cert })
    const refused = '127.0.0.1 could not be reached or broke off its answer (DEPTH_ZERO_SELF_SIGNED_CERT)'
    expect((await failureOf(post(startClient(), target.url))).message).toBe(refused)
    expect(await postInProcess(target.url, { NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toBe(refused)
    expect(target.requests).toEqual([])
    expect(await postInProcess(target.url, { NODE_EXTRA_CA_CERTS: certPath })).toBe('200')
  })

  it('share their connections, and use no more of them than allowed', async () => {
    const target = await startTarget({ kind: 'answer', status: 200, afterMs: 20 })
    const client = startClient({ maxSockets: 5 })
    await Promise.all(Array.from({ length: 60 }, () => post(client, target.url)))
    expect([target.requests.length, target.connections, target.mostOpen]).toEqual([60, 5, 5])
  })

  it('end at once when they are aborted, before or after they began', async () => {
    const target = await startTarget({ kind: 'silence' })
    const stop = new AbortController()
    const running = failureOf(post(startClient(), target.url, { signal: stop.signal }))
    await waitFor('the request', () => target.requests.length === 1)
    stop.abort(new Error('the service stops'))
    expect((await running).message).toBe('the service stops')
    await waitFor('the connection to be closed', () => target.openConnections === 0)
    const late = await failureOf(post(startClient(), target.url, { signal: stop.signal }))
    expect(late.message).toBe('the service stops')
  })

  it('that fail are told by the host and the code alone', async () => {
    const target = await startTarget({ kind: 'hang up' })
    const hungUp = await failureOf(post(startClient(), target.url))
    expect(hungUp.message).toBe('127.0.0.1 could not be reached or broke off its answer (ECONNRESET)')
    await target.refuse()
    const refused = await failureOf(post(startClient(), target.url))
    expect(refused.message).toBe('127.0.0.1 could not be reached or broke off its answer (ECONNREFUSED)')
    for (const { stack, cause } of [hungUp, refused]) {
      expect(stack).not.toContain(TARGET_CANARY)
      expect(cause).toBeUndefined()
    }
  })
})

/** A server that answers with these bytes as they are. */
async function startRawServer(
  text: string,
  options: { drops?: string; isClosed?: boolean; isDeaf?: boolean } = {},
): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (options.isDeaf !== true) socket.resume()
    socket.write(text)
    if (options.isClosed === true) socket.end()
    const { drops = '' } = options
    const timer = setInterval(() => drops !== '' && socket.write(drops), 50)
    socket.on('close', () => clearInterval(timer))
    onTestFinished(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
