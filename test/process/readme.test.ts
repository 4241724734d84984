import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const ROOT = new URL('../..', import.meta.url).pathname
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

it('runs the handler of the README as it stands there', async () => {
  const requests: { key: unknown; body: unknown }[] = []
  const desk = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      requests.push({ key: request.headers['idempotency-key'], body: JSON.parse(text) })
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(desk, 'listening')
  onTestFinished(() => void desk.close())
  const { port } = desk.address() as AddressInfo

  const service = await startService({
    env: { REVIEW_URL: `http://127.0.0.1:${port}/reviews` },
    handlers: { 'review.ts': exampleWith('defineHandler') },
  })
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'call-1' } }))
  await waitFor('the request at the review desk', () => requests.length > 0)
  expect(requests).toEqual([
    {
      key: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      body: { call: 'call-1', agent: 'agent_0147', results: expect.any(Object) as object },
    },
  ])
  await waitFor(
    'its log line',
    () => service.logLines({ msg: 'sent to review', handler: 'review' }).length === 1,
  )
})

it('accepts the request that the README signs with openssl and sends with curl', async () => {
  const dir = tempDir()
  const service = await startService({
    env: { DATA_DIR: join(dir, 'data'), CALLCOV_WEBHOOK_SECRET: undefined },
  })
  const script = exampleWith('openssl').replace('http://localhost:8080', service.url)
  expect(execFileSync('sh', ['-euc', script], { cwd: dir, encoding: 'utf8' })).toBe('{"received":true}')
  await waitFor('the handler', () => service.logLines({ handler: 'log', id: 'my-first-call' }).length > 0)
})

it('lets an editor check a handler outside the project with the tsconfig of the README', () => {
  const dir = tempDir()
  const tsconfig = exampleWith('compilerOptions').replace('/path/to/callcov-webhook-receiver/', ROOT)
  mkdirSync(join(dir, 'handlers'))
  writeFileSync(join(dir, 'handlers', 'tsconfig.json'), tsconfig)
  // `process` and `fetch` are not what is tried here.
  const globals = 'declare const process: { env: Record<string, string | undefined> }\n'
  writeFileSync(join(dir, 'handlers', 'review.ts'), exampleWith('defineHandler') + globals)
  const tsc = () =>
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), { cwd: join(dir, 'handlers'), encoding: 'utf8' })
  expect(tsc()).toBe('')
  writeFileSync(
    join(dir, 'handlers', 'wrong.ts'),
    exampleWith('defineHandler').replace('event.results', 'event.error'),
  )
  expect(tsc).toThrow('Command failed')
})

/** The code block of the README that holds this text, without its indentation. */
function exampleWith(text: string): string {
  const blocks = [...readme.matchAll(/^( *)```\w+\n([\s\S]*?)^ *```$/gm)]
  const block = blocks.find((match) => match[2]?.includes(text))
  if (block === undefined) throw new Error(`the README has no example with ${text}`)
  const [, indent = '', code = ''] = block
  return code.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
}
