import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { post, sign, signedDelivery } from '../support/deliveries.ts'
import { processesNaming } from '../support/processes.ts'
import { Service, startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { waitFor } from '../support/wait.ts'

describe('a start that cannot work', () => {
  it('names all wrong settings at once, shows no value, and exits with 1', async () => {
    const service = new Service({
      env: {
        CALLCOV_WEBHOOK_SECRET: 'canary-short',
        PORT: 'canary-port',
        ROLE: 'canary-role',
        DEDUPE_TTL: '1h',
        HANDLER_TIMOUT: 'canary-typo',
        REDIS_URL: 'http://canary:canary@host',
      },
    })
    expect(await service.exitCode()).toBe(1)
    for (const name of [
      'CALLCOV_WEBHOOK_SECRET',
      'PORT',
      'ROLE',
      'DEDUPE_TTL',
      'HANDLER_TIMOUT',
      'REDIS_URL',
    ]) {
      expect(service.output).toContain(`- ${name} `)
    }
    expect(service.output).not.toContain('canary')
    expect(service.output).not.toContain('    at ')
  })

  it('names a handler file that does not load, and exits with 1', async () => {
    const broken = { 'broken.ts': 'export default {', 'empty.ts': 'export const x = 1', 'fine.ts': '' }
    const service = new Service({ handlers: broken })
    expect(await service.exitCode()).toBe(1)
    for (const file of Object.keys(broken)) expect(service.output).toContain(file)
  })

  it('names both files of two handlers with one name, and exits with 1', async () => {
    const text = `export default { name: 'twin', on: ['analysis.completed'], handle() {} }`
    const service = new Service({ handlers: { 'one.ts': text, 'two.ts': text } })
    expect(await service.exitCode()).toBe(1)
    expect(service.output).toMatch(/two\.ts: the name twin is taken by .*one\.ts/)
  })

  it('says so when a handler file ends the process while it loads', async () => {
    const service = new Service({ handlers: { 'exits.ts': 'process.exit(3)' } })
    expect(await service.exitCode()).toBe(1)
    expect(service.output).toContain('while it loaded the handlers')
  })

  it('says so when the port is taken, and leaves no process behind', async () => {
    const first = await startService()
    const { port } = new URL(first.url)
    const second = new Service({ env: { PORT: port } })
    expect(await second.exitCode()).toBe(1)
    expect(second.output).toContain(`port ${port} (EADDRINUSE)`)
    expect(processesNaming(second.dataDir)).toEqual([])
  })
})

describe('a start without settings', () => {
  it('makes a secret that only its owner can read, and tells where, not what', async () => {
    const service = await startService({ env: { CALLCOV_WEBHOOK_SECRET: undefined } })
    const file = join(service.dataDir, 'callcov-webhook-secret')
    const secret = readFileSync(file, 'utf8').trim()
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(service.output).toContain(file)
    expect(service.output).not.toContain(secret)
    expect((await post(service.webhookUrl, signedDelivery({ secret }))).status).toBe(200)
  })

  it('tells the webhook URL, what to try, where data lie and which handlers run', async () => {
    const service = await startService({
      handlers: { 'crm.ts': `export default { name: 'crm', on: ['analysis.failed'], handle() {} }` },
    })
    for (const text of [
      '/webhooks/callcov',
      'npm run send',
      service.dataDir,
      'log, crm',
      service.handlersDir,
    ]) {
      expect(service.output).toContain(text)
    }
  })

  it('is ready in under 3 s when it starts again', async () => {
    const dataDir = join(tempDir(), 'data')
    const first = await startService({ env: { DATA_DIR: dataDir } })
    await first.stop()
    const startedAt = performance.now()
    await startService({ env: { DATA_DIR: dataDir } })
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })
})

it('takes a rotated secret from its file without a restart, and drops the old one', async () => {
  const file = join(tempDir(), 'secrets')
  writeFileSync(file, 'the first secret, long enough\n')
  const service = await startService({
    env: { CALLCOV_WEBHOOK_SECRET: undefined, CALLCOV_WEBHOOK_SECRET_FILE: file },
  })
  const { body } = signedDelivery()
  const status = async (secret: string) =>
    (await post(service.webhookUrl, signedDelivery({ body, signature: sign(body, secret) }))).status
  expect(await status('the first secret, long enough')).toBe(200)
  writeFileSync(file, 'the second secret, long enough\nthe first secret, long enough\n')
  await waitFor('the second secret', async () => (await status('the second secret, long enough')) === 200)
  expect(await status('the first secret, long enough')).toBe(200)
  writeFileSync(file, 'the second secret, long enough\n')
  await waitFor(
    'the first secret to be dropped',
    async () => (await status('the first secret, long enough')) === 401,
  )
  writeFileSync(file, '\n')
  await waitFor('the report of the empty file', () => service.output.includes('unusable'))
  expect(await status('the second secret, long enough')).toBe(200)
})
