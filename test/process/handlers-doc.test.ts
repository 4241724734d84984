import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { CANARIES } from '../support/canary.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { startService } from '../support/service.ts'
import { waitFor } from '../support/wait.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/handlers.md', import.meta.url)), 'utf8')
const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '')

it('runs the shortest handler of docs/handlers.md as it stands there', async () => {
  const text = examples.find((example) => !example.includes('import')) ?? ''
  expect(text.trim().split('\n').length).toBeLessThanOrEqual(6)
  const service = await startService({ handlers: { 'crm.js': text } })
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-short' } }))
  await waitFor('what it writes', () => /^anl-short \{/m.test(service.output))
})

it('runs the whole handler of docs/handlers.md, which decides by what the CRM answers', async () => {
  const text = examples.find((example) => example.includes('defineHandler')) ?? ''
  const requests: unknown[] = []
  const crm = createServer((request, response) => {
    requests.push({ method: request.method, path: request.url, key: request.headers['idempotency-key'] })
    response.writeHead(request.url?.includes('refused') === true ? 422 : 204).end()
  }).listen(0, '127.0.0.1')
  await once(crm, 'listening')
  onTestFinished(() => void crm.close())
  const env = { CRM_URL: `http://127.0.0.1:${(crm.address() as AddressInfo).port}` }
  const service = await startService({ env, handlers: { 'crm.ts': text } })
  const send = (id: string, fields = {}) =>
    post(
      service.webhookUrl,
      signedDelivery({ fields: { id, call: { contact_id: CANARIES.contact }, ...fields } }),
    )
  await send('anl-1')
  await send('refused')
  await send('anl-test', { livemode: false })
  await send('anl-nobody', { call: {} })
  const ended = (id: string) => service.logLines({ handler: 'crm', id }).map(({ decision }) => decision)
  await waitFor('the first to be sent', () => ended('anl-1').includes('done'))
  await waitFor('the second to be refused', () => ended('refused').includes('dead letter'))
  await waitFor('the one of nobody to be given up', () => ended('anl-nobody').includes('dead letter'))
  const key = expect.stringMatching(/^[0-9a-f]{64}$/) as string
  expect(requests).toHaveLength(2)
  expect(requests).toEqual(
    expect.arrayContaining([
      { method: 'PUT', path: '/calls/anl-1', key },
      { method: 'PUT', path: '/calls/refused', key },
    ]),
  )
  expect(ended('anl-test')).toEqual([])
})
