import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, it, onTestFinished } from 'vitest'
import { HAMSA_TOKEN } from '../support/calls.ts'
import { keepSecret } from '../support/canary.ts'
import { jsonOf, runCommand } from '../support/command.ts'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { signingSecret, TARGET_CANARY } from '../support/forward-handler.ts'
import { startRedis } from '../support/redis-server.ts'
import { selfSigned } from '../support/self-signed.ts'
import { startService, type Service } from '../support/service.ts'
import { startTarget, type Target, type TargetRequest } from '../support/target.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const ROOT = new URL('../..', import.meta.url).pathname
const page = readFileSync(join(ROOT, 'docs/forward.md'), 'utf8')

/** A service that forwards to these targets, which lie on this machine. */
async function startForwarding(targets: string, env: NodeJS.ProcessEnv = {}): Promise<Service> {
  keepSecret(TARGET_CANARY)
  return await startService({
    env: { FORWARD_URLS: targets, FORWARD_ALLOW_PRIVATE: '127.0.0.1', ...env },
  })
}

async function sendTo(service: Service, ...args: string[]): Promise<void> {
  const { code } = await runCommand(['send', '--url', service.webhookUrl, '--secret', SECRET, ...args])
  expect(code).toBe(0)
}

async function firstRequest(target: Target): Promise<TargetRequest> {
  return await waitFor('a request at the target', () => target.requests[0])
}

function verifies({ body, headers }: TargetRequest, secret: string): boolean {
  try {
    return new Webhook(secret).verify(body.toString(), headers as Record<string, string>) !== undefined
  } catch {
    return false
  }
}

it('one setting and a send: the target gets the body, with a signature that verifies', async () => {
  const target = await startTarget()
  const secret = signingSecret()
  const service = await startForwarding(target.url, { FORWARD_SECRET: secret })
  await sendTo(service, '--id', 'call-1')
  const request = await firstRequest(target)
  expect(JSON.parse(request.body.toString())).toMatchObject({ id: 'call-1', status: 'completed' })
  expect(request.headers['idempotency-key']).toMatch(/^[0-9a-f]{64}$/)
  expect(verifies(request, secret)).toBe(true)
  await waitFor('its log line', () => service.logLines({ handler: 'forward-127-0-0-1', decision: 'done' })[0])
})

it('each target gets the types it wants, and no other secret or header of the service', async () => {
  const [completed, failed, all] = [await startTarget(), await startTarget(), await startTarget()]
  const service = await startForwarding(
    `a=${completed.url} analysis.completed, b=${failed.url} analysis.failed, c=${all.url}`,
  )
  await sendTo(service, '--id', 'good')
  await sendTo(service, '--id', 'bad', '--event', 'failed')
  await waitFor('all requests', () => all.requests.length === 2)
  await waitFor('the others', () => completed.requests.length === 1 && failed.requests.length === 1)
  const idsAt = (target: Target) =>
    target.requests.map(({ body }) => (JSON.parse(body.toString()) as { id: string }).id).toSorted()
  expect([completed, failed, all].map(idsAt)).toEqual([['good'], ['bad'], ['bad', 'good']])
  for (const { headers } of all.requests) {
    expect(headers).not.toHaveProperty('x-callcov-signature')
    expect(JSON.stringify(headers)).not.toContain(SECRET)
  }
})

it('a call of Hamsa arrives as it came, with its source, at those who want its type', async () => {
  const [ended, all, analyses] = [await startTarget(), await startTarget(), await startTarget()]
  const secret = signingSecret()
  const service = await startForwarding(
    `ended=${ended.url} call.ended, all=${all.url}, analyses=${analyses.url} analysis.completed`,
    { FORWARD_SECRET: secret, HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN },
  )
  const hamsa = ['send', '--source', 'hamsa', '--url', `${service.url}/webhooks/hamsa`]
  for (const event of ['call.started', 'call.ended']) {
    const sent = await runCommand([...hamsa, '--secret', HAMSA_TOKEN, '--event', event, '--id', 'call-1'])
    expect(sent).toMatchObject({ code: 0 })
  }
  await sendTo(service)
  await waitFor('all requests', () => all.requests.length === 3)
  await waitFor('the others', () => ended.requests.length === 1 && analyses.requests.length === 1)
  const request = await firstRequest(ended)
  expect(verifies(request, secret)).toBe(true)
  expect(JSON.parse(request.body.toString())).toMatchObject({ eventType: 'call.ended', callId: 'call-1' })
  expect(request.headers).toMatchObject({
    'content-type': 'application/json',
    'x-webhook-source': 'hamsa',
    'x-webhook-event': 'call.ended',
  })
  expect(JSON.stringify(request.headers)).not.toContain(HAMSA_TOKEN)
  expect(request.headers).not.toHaveProperty('authorization')
})

it('in development signs with a secret of its own, which its owner alone may read', async () => {
  const target = await startTarget()
  const service = await startForwarding(`crm=${target.url}`)
  await sendTo(service)
  const request = await firstRequest(target)
  const path = join(service.dataDir, 'forward-secret')
  const secret = readFileSync(path, 'utf8').trim()
  keepSecret(secret)
  expect([verifies(request, secret), statSync(path).mode & 0o777]).toEqual([true, 0o600])
})

it('signs with the secrets of the file as it is now', async () => {
  const target = await startTarget()
  const [old, fresh] = [signingSecret(), signingSecret()]
  const file = join(tempDir(), 'secret')
  writeFileSync(file, old)
  const service = await startForwarding(`crm=${target.url}`, { FORWARD_SECRET_FILE: file })
  await sendTo(service)
  expect(verifies(await firstRequest(target), old)).toBe(true)
  writeFileSync(file, `${fresh}\n${old}\n`)
  const both = await waitFor(
    'an event signed with both secrets',
    async () => {
      await sendTo(service)
      return target.requests.find((request) => verifies(request, fresh))
    },
    { withinMs: 30_000, everyMs: 1000 },
  )
  expect(verifies(both, old)).toBe(true)
})

it('a target that refuses for good is a dead letter, and a replay brings another key', async () => {
  const redis = await startRedis()
  const target = await startTarget({ kind: 'answer', status: 422 })
  const service = await startForwarding(`crm=${target.url}`, { REDIS_URL: redis.url })
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'call-1' } }))
  const env = { REDIS_URL: redis.url }
  await waitFor('the dead letter', async () => (await jsonOf(['deliveries'], env)).length === 1)
  expect((await jsonOf(['deliveries'], env))[0]).toMatchObject({
    handler: 'forward-crm',
    reason: 'permanent',
  })
  target.behaviour = { kind: 'answer', status: 200 }
  expect((await runCommand(['replay', 'call-1'], env)).code).toBe(0)
  await waitFor('the replay', () => target.taken.length === 1)
  const [first, second] = target.requests.map(({ headers }) => headers['idempotency-key'])
  expect(second).toBe(`${String(first)}-r1`)
})

it('a target that is unavailable rests although it says when to come again, and a busy one does not', async () => {
  const headers = { 'retry-after': '1' }
  const unavailable = await startTarget({ kind: 'answer', status: 503, headers })
  const busy = await startTarget({ kind: 'answer', status: 429, headers })
  const service = await startForwarding(`unavailable=${unavailable.url}, busy=${busy.url}`)
  await sendTo(service, '--count', '40')
  await waitFor('three attempts each', () => busy.requests.length >= 120)
  const opened = service
    .logLines({ level: 40 })
    .filter(({ msg }) => String(msg).includes('breaker has opened'))
  expect(opened.map(({ handler }) => handler)).toEqual(['forward-unavailable'])
  // As many as ran at once when it opened.
  expect(unavailable.requests.length).toBeLessThan(40)
})

it('SSR-01: without FORWARD_ALLOW_PRIVATE nothing connects to the machine itself', async () => {
  const target = await startTarget()
  const localhost = target.url.replace('127.0.0.1', 'localhost')
  const service = await startForwarding(`crm=${target.url}, desk=${localhost}`, { FORWARD_ALLOW_PRIVATE: '' })
  await sendTo(service)
  for (const handler of ['forward-crm', 'forward-desk']) {
    const [line] = await waitFor(`the failure of ${handler}`, () => {
      const lines = service.logLines({ handler, decision: 'retry' })
      return lines.length > 0 && lines
    })
    expect(line?.reason).toMatch(/private address.*FORWARD_ALLOW_PRIVATE does not name/)
  }
  expect(target.connections).toBe(0)
})

it('SSR-10: in production a target with a certificate of its own making gets nothing', async () => {
  const target = await startTarget({ kind: 'answer', status: 200 }, selfSigned())
  const service = await startForwarding(`crm=${target.url}`, {
    NODE_ENV: 'production',
    REDIS_URL: 'embedded',
    FORWARD_SECRET: signingSecret(),
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  })
  await sendTo(service)
  const line = await waitFor('the failure', () => service.logLines({ handler: 'forward-crm' })[0])
  expect(line.reason).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
  expect(target.requests).toEqual([])
})

it('the far side of docs/forward.md, in JavaScript and by hand, tells a forwarded event from a forged one', async () => {
  const secret = signingSecret()
  const farSide = await startExample('standardwebhooks', secret)
  const recorder = await startTarget()
  const service = await startForwarding(`recorder=${recorder.url}, library=${farSide}`, {
    FORWARD_SECRET: secret,
  })
  await sendTo(service, '--id', 'call-1')
  await waitFor('its answer', () => service.logLines({ handler: 'forward-library', decision: 'done' })[0])

  const { headers, body } = await firstRequest(recorder)
  const forged = { ...(headers as Record<string, string>), 'webhook-id': 'forged' }
  expect((await fetch(farSide, { method: 'POST', headers: forged, body: body.toString() })).status).toBe(401)

  const dir = tempDir()
  writeFileSync(join(dir, 'body.json'), body)
  const byHand = execFileSync('sh', ['-euc', exampleWith('openssl')], {
    cwd: dir,
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      FORWARD_SECRET: secret,
      WEBHOOK_ID: String(headers['webhook-id']),
      WEBHOOK_TIMESTAMP: String(headers['webhook-timestamp']),
    },
  })
  expect(`v1,${byHand.trim()}`).toBe(headers['webhook-signature'])
})

/** Runs the example on a free port and returns its address. */
async function startExample(word: string, secret: string): Promise<string> {
  const code = exampleWith(word).replace(
    '.listen(3000)',
    `.listen(0, '127.0.0.1', function () { console.log(this.address().port) })`,
  )
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, FORWARD_SECRET: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return `http://127.0.0.1:${Number(port.toString())}/`
}

/** The block of code of the page that mentions a word and can be run. */
function exampleWith(word: string): string {
  const blocks = [...page.matchAll(/```(?:js|sh)\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  const found = blocks.find((block) => block.includes(word) && !block.startsWith('FORWARD_'))
  if (found === undefined) throw new Error(`no example with ${word}`)
  return found
}
