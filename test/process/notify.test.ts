import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { callDelivery, HAMSA_TOKEN } from '../support/calls.ts'
import { keepSecret } from '../support/canary.ts'
import { jsonOf, runCommand } from '../support/command.ts'
import { waitForDead } from '../support/dead-letters.ts'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { startTarget, type Target } from '../support/target.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const FAILING = `export default {
  name: 'crm', on: ['analysis.completed'], attempts: 1, handle() { throw new Error('down') },
}`

async function sendTo(service: Service, ...args: string[]): Promise<void> {
  const { code } = await runCommand(['send', '--url', service.webhookUrl, '--secret', SECRET, ...args])
  expect(code).toBe(0)
}

function messages({ requests }: Target): Record<string, unknown>[] {
  return requests.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>)
}

async function firstMessage(target: Target): Promise<Record<string, unknown>> {
  return await waitFor('a message', () => messages(target)[0])
}

it('one setting and a send: Slack is told of a failed analysis', async () => {
  const target = await startTarget()
  keepSecret('TARGETCANARY')
  const service = await startService({
    env: { SLACK_WEBHOOK_URL: target.url, ADMIN_URL: 'http://admin.example' },
  })
  await sendTo(service, '--id', 'call-1', '--event', 'failed')
  const { text, ...others } = await firstMessage(target)
  expect(text).toMatch(/^Analysis failed: `call-1`.*\n<http:\/\/admin\.example\/?>$/)
  expect(others).toEqual({})
})

it('the address may stand in a file, and another service is told of compliance flags', async () => {
  const target = await startTarget()
  const file = join(tempDir(), 'url')
  writeFileSync(file, `${target.url}\n`)
  const service = await startService({
    env: { NOTIFY_URL_FILE: file, NOTIFY_FLAGS: 'compliance, quality.greeting' },
  })
  const results = { compliance: {}, quality: { greeting: { present: false } } }
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'call-2', results } }))
  expect(await firstMessage(target)).toMatchObject({
    kind: 'analysis.flagged',
    count: 1,
    ids: ['call-2'],
    reasons: { 'quality.greeting.present': 1 },
  })
})

it('a team that asks for it is told of calls of Hamsa', async () => {
  const target = await startTarget()
  const service = await startService({
    env: { NOTIFY_URL: target.url, NOTIFY_EVENTS: 'call.ended', HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN },
  })
  const fields = { callId: 'call-3' }
  await post(`${service.url}/webhooks/hamsa`, callDelivery({ fields }))
  expect(await firstMessage(target)).toMatchObject({
    kind: 'call.ended',
    text: 'Event call.ended: `call-3`',
    count: 1,
  })
})

it('a team learns of dead letters of other handlers and of bodies that were not understood', async () => {
  const target = await startTarget()
  const service = await startService({ env: { NOTIFY_URL: target.url }, handlers: { 'crm.ts': FAILING } })
  await sendTo(service)
  expect(await firstMessage(target)).toMatchObject({
    kind: 'dead-letter',
    count: 1,
    reasons: { 'crm failed': 1 },
  })
  await post(service.webhookUrl, signedDelivery({ body: 'no JSON' }))
  await waitFor('the dead letter', () => service.output.includes('unrecognised'))
  await service.stop()
  expect(messages(target).slice(1)).toMatchObject([{ count: 1, reasons: { 'inbox unrecognised': 1 } }])
})

it('a wrong address makes dead letters that say what to check, and no messages about themselves', async () => {
  const target = await startTarget({ kind: 'answer', status: 404, body: 'no_service' })
  const redis = await startRedis()
  const env = { REDIS_URL: redis.url }
  const service = await startService({ env: { ...env, SLACK_WEBHOOK_URL: target.url } })
  await sendTo(service, '--event', 'failed')
  const [dead] = await waitForDead(env, 1)
  expect(dead).toMatchObject({ handler: 'notify', reason: 'permanent' })
  const [shown] = await jsonOf(['deliveries', 'show', String(dead?.jobId)], env)
  expect(JSON.stringify(shown)).toContain('answered 404 no_service; check SLACK_WEBHOOK_URL')
  await service.stop()
  expect(target.requests).toHaveLength(1)
})
