import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { post, SECRET, signedDelivery, type Delivery } from '../support/deliveries.ts'
import { percentile, sendAtRate } from '../support/load.ts'
import { recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

it('writes one line for the request and one for each run of a handler, with what on call needs', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({ handlers: { 'recorder.ts': recordingHandler(runs) } })
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'call-7' } }))
  const [handled] = await waitFor('the line of the run', () => {
    const lines = service.logLines({ msg: 'handled', handler: 'recorder' })
    return lines.length > 0 && lines
  })
  expect(handled).toMatchObject({
    source: 'callcov',
    event: 'analysis.completed',
    id: 'call-7',
    attempt: 1,
    maxAttempts: 40,
    durationMs: expect.any(Number) as number,
    decision: 'done',
  })
  const [stored] = service.logLines({ msg: 'webhook stored' })
  expect(stored).toMatchObject({
    source: 'callcov',
    event: 'analysis.completed',
    id: 'call-7',
    outcome: 'accepted',
    status: 200,
    bytes: expect.any(Number) as number,
    durationMs: expect.any(Number) as number,
  })
  // The way from the request to its runs.
  expect(handled?.job).toMatch(new RegExp(`^${String(stored?.reqId)}-[0-9a-f]{16}$`))
})

it('keeps one object in one line, whatever ids and errors hold', async () => {
  const service = await startService({
    handlers: { 'fails.ts': recordingHandler('/dev/null', { does: 'throw new Error(event.analysisId)' }) },
  })
  const ids = [
    'line\nbreak',
    'carriage\rreturn',
    'ansi \u001b[31mred',
    'separator\u2028',
    '"},{"level":60,"x":"',
  ]
  for (const id of ids) await post(service.webhookUrl, signedDelivery({ fields: { id } }))
  await waitFor('a line for each', () => service.logLines({ msg: 'not handled' }).length >= ids.length)
  const lines = service.output.split('\n').filter((line) => line.startsWith('{'))
  expect(
    lines.map((line) => JSON.parse(line) as { id?: string }).filter((line) => ids.includes(line.id ?? '')),
  ).not.toEqual([])
  // eslint-disable-next-line no-control-regex -- a control character is what must not be there
  expect(lines.join('')).not.toMatch(/[\u0000-\u001f]/)
})

it.each(['closed', 'stalled'])(
  'answers webhooks and stops in order while its standard output is %s',
  async (how) => {
    const dir = tempDir()
    mkdirSync(join(dir, 'handlers'))
    const service = spawn(process.execPath, [ENTRY], {
      cwd: dir,
      env: {
        PATH: process.env.PATH,
        CALLCOV_WEBHOOK_SECRET: SECRET,
        HOST: '127.0.0.1',
        PORT: '0',
        ADMIN_PORT: '0',
        SHUTDOWN_GRACE: '8s',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    onTestFinished(() => void service.kill('SIGKILL'))
    let errors = ''
    service.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    if (how === 'closed') service.stdout.destroy()
    const url = await waitFor('the start message', () => /webhook URL\s+(\S+)/.exec(errors)?.[1])
    // Far more lines than a pipe holds.
    const load = await sendAtRate(url, 300, deliveries(1500))
    expect(load.statuses).toEqual({ 200: 1500 })
    expect(percentile(load.durationsMs, 0.99)).toBeLessThan(1000)
    const startedAt = performance.now()
    service.kill('SIGTERM')
    await waitFor('the end', () => service.exitCode !== null || service.signalCode !== null)
    expect(performance.now() - startedAt).toBeLessThan(9000)
    expect(service.exitCode).toBe(0)
  },
)

it('names a failure in the code of a handler by place, without quoting what it failed on', async () => {
  const runs = join(tempDir(), 'runs')
  const does = 'JSON.parse(event.transcript.text)'
  const service = await startService({ handlers: { 'parses.ts': recordingHandler(runs, { does }) } })
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 1)
  const [line] = await waitFor('the line', () => {
    const lines = service.logLines({ msg: 'not handled' })
    return lines.length > 0 && lines
  })
  expect(line?.reason).toMatch(/^failed: SyntaxError: /)
  expect(String(line?.reason)).not.toContain('Agent')
})

function* deliveries(count: number): Generator<Delivery> {
  for (let sent = 0; sent < count; sent += 1) yield signedDelivery()
}
