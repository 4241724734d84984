import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { CANARIES } from '../support/canary.ts'
import { ENTRY, runCommand } from '../support/command.ts'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { Service, startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const PASSWORD = 'redis-password-canary'

it('PRO-18: webhooks are answered while the disk of the log is full, and the service stops in order', async () => {
  const dir = tempDir()
  const redis = await startRedis()
  const service = spawn(process.execPath, [ENTRY], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      CALLCOV_WEBHOOK_SECRET: SECRET,
      REDIS_URL: redis.url,
      ROLE: 'receiver',
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      SHUTDOWN_GRACE: '6s',
    },
    // Every write to it fails with ENOSPC.
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
  })
  onTestFinished(() => void service.kill('SIGKILL'))
  let errors = ''
  service.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const url = await waitFor('the start message', () => /webhook URL\s+(\S+)/.exec(errors)?.[1])
  await waitFor('an answer', async () => (await post(url, signedDelivery())).status === 200)
  for (let sent = 0; sent < 50; sent += 1) expect((await post(url, signedDelivery())).status).toBe(200)
  service.kill('SIGTERM')
  await waitFor('the end', () => service.exitCode !== null || service.signalCode !== null, { withinMs: 8000 })
  expect(service.exitCode).toBe(0)
})

it('LOG-01: neither secrets nor signatures stand in logs, answers or metrics, valid or not', async () => {
  const service = await startService({ env: { LOG_LEVEL: 'trace' } })
  const delivery = signedDelivery()
  const forged = signedDelivery({ signature: 'abcdef01'.repeat(8) })
  const answers = [await post(service.webhookUrl, delivery), await post(service.webhookUrl, forged)]
  const texts = await Promise.all(answers.map((answer) => answer.text()))
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  const written = [service.output, metrics, ...texts].join('\n')
  const signatures = [delivery, forged].map(({ headers }) => headers['x-callcov-signature'] ?? '')
  for (const secret of [SECRET, ...signatures]) expect(written).not.toContain(secret)
})

it('LOG-02: neither what was said nor about whom nor the address of the recording stands in a log or metric', async () => {
  const runs = join(tempDir(), 'runs')
  const does = `if (context.attempt === 1) throw new Error('first')`
  const service = await startService({
    env: { LOG_LEVEL: 'trace' },
    handlers: { 'recorder.ts': recordingHandler(runs, { does, options: `backoff: '10ms',` }) },
  })
  await post(service.webhookUrl, signedDelivery())
  await post(service.webhookUrl, signedDelivery({ fields: { id: 5.5 } }))
  await post(service.webhookUrl, signedDelivery({ fields: { transcript: CANARIES.transcript } }))
  await waitForRuns(runs, 2)
  const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
  const written = service.output + metrics
  for (const canary of [...Object.values(CANARIES), SECRET]) expect(written).not.toContain(canary)
})

it.each(['redis://:%P@127.0.0.1:1', 'redis://user:%P@[::1]:1/0', 'rediss://:%P@127.0.0.1:1'])(
  'LOG-04: a Redis at %s that cannot be reached is logged without its password',
  async (address) => {
    const service = new Service({
      env: { REDIS_URL: address.replace('%P', PASSWORD), ROLE: 'receiver', LOG_LEVEL: 'trace' },
    })
    await service.ready()
    expect((await post(service.webhookUrl, signedDelivery())).status).toBe(503)
    await waitFor('a line about it', () => service.logLines().length > 2)
    await service.stop()
    expect(service.output).not.toContain(PASSWORD)
  },
)

it('LOG-01: --help and a refused start show no value of a setting', async () => {
  const env = {
    CALLCOV_WEBHOOK_SECRET: SECRET,
    REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:1`,
    PORT: 'x',
    KEEP_DEAD: PASSWORD,
  }
  for (const args of [['--help'], ['serve', '--help'], ['send', '--help'], [], ['deliveries']]) {
    const { stdout, stderr } = await runCommand(args, env)
    expect(stdout + stderr).not.toContain(SECRET)
    expect(stdout + stderr).not.toContain(PASSWORD)
  }
})
