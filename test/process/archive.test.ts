import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { archivedIds, dayFiles } from '../support/archived.ts'
import { jsonOf, runCommand } from '../support/command.ts'
import { SECRET } from '../support/deliveries.ts'
import { missingProgram, needs } from '../support/needs.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const page = readFileSync(new URL('../../docs/archive.md', import.meta.url), 'utf8')

async function startArchiving() {
  const redis = await startRedis()
  const dir = join(tempDir(), 'archive')
  const env = { REDIS_URL: redis.url, ARCHIVE_DIR: dir }
  return { dir, env, service: await startService({ env }) }
}

async function sendTo(service: Service, ...args: string[]): Promise<void> {
  const { code } = await runCommand(['send', '--url', service.webhookUrl, '--secret', SECRET, ...args])
  expect(code).toBe(0)
}

async function waitForArchived(dir: string, count: number): Promise<void> {
  await waitFor(`${count} archived events`, () => archivedIds(dir).length >= count)
}

it('one setting and a send: the event is in the file of the day', async () => {
  const { dir, service } = await startArchiving()
  await sendTo(service, '--id', 'call-1')
  await waitForArchived(dir, 1)
  expect(archivedIds(dir)).toEqual(['call-1'])
  await waitFor('its log line', () => service.logLines({ handler: 'archive', decision: 'done' })[0])
})

it('a replay adds no second line', async () => {
  const { dir, env, service } = await startArchiving()
  await sendTo(service, '--count', '3')
  await waitForArchived(dir, 3)
  const { code } = await runCommand(
    ['replay', '--handler', 'archive', '--feed', '--all', '--since', '1h'],
    env,
  )
  expect(code).toBe(0)
  await waitFor('the replayed runs', () => service.logLines({ handler: 'archive', replay: 1 }).length >= 3)
  expect(archivedIds(dir)).toHaveLength(3)
})

it(
  'a worker that is killed within 1,000 events leaves a readable file, and in the end 1,000 lines',
  { timeout: 120_000 },
  async () => {
    const { dir, service } = await startArchiving()
    const sent = sendTo(service, '--count', '1000')
    await waitFor('the first lines', () => dayFiles(dir).length > 0, { everyMs: 1 })
    process.kill(await service.workerPid(), 'SIGKILL')
    expect(archivedIds(dir).length).toBeGreaterThan(0)
    await sent
    await waitFor('all events', () => archivedIds(dir).length >= 1000, { withinMs: 90_000, everyMs: 500 })
    expect(new Set(archivedIds(dir)).size).toBe(1000)
    expect(archivedIds(dir)).toHaveLength(1000)
  },
)

it('forget reaches the archive while the service runs', async () => {
  const { dir, env, service } = await startArchiving()
  await sendTo(service, '--id', 'call-1')
  await sendTo(service, '--id', 'call-2')
  await waitForArchived(dir, 2)
  await waitFor(
    'the runs to end',
    () => service.logLines({ decision: 'done', handler: 'archive' }).length === 2,
  )
  const { code, stdout } = await runCommand(['forget', 'call-1', '--yes'], env)
  expect([code, stdout]).toEqual([0, expect.stringContaining('archive')])
  expect(archivedIds(dir)).toEqual(['call-2'])
  await sendTo(service, '--id', 'call-3')
  await waitForArchived(dir, 2)
  expect(await jsonOf(['deliveries', '--reason', 'failed'], env)).toEqual([])
})

it('stops cleanly in the middle of its work, and a restart goes on with it', async () => {
  const { dir, env, service } = await startArchiving()
  await sendTo(service, '--count', '300')
  await service.stop()
  if (dayFiles(dir).length > 0) expect(archivedIds(dir).length).toBeLessThanOrEqual(300)
  await startService({ env })
  await waitForArchived(dir, 300)
  expect(archivedIds(dir)).toHaveLength(300)
})

it('the commands of the page read it', needs(missingProgram('jq')), async () => {
  const { dir, service } = await startArchiving()
  await sendTo(service, '--id', 'call-1', '--event', 'failed')
  await sendTo(service, '--id', 'call-2')
  await waitForArchived(dir, 2)
  const [commands = ''] = [...page.matchAll(/```sh\n(zcat[\s\S]*?)```/g)].map((match) => match[1])
  const lines = commands.split('\n').filter((line) => line.startsWith('zcat') || line.startsWith('python3'))
  expect(lines.length).toBeGreaterThanOrEqual(3)
  for (const line of lines) {
    const command = line.replaceAll(/\d{4}-\d{2}-\d{2}/g, '*').replaceAll(/ANALYSIS-ID|CALL-ID/g, 'call-2')
    const output = execFileSync('sh', ['-c', command], { cwd: dir, stdio: 'pipe' }).toString()
    expect(output, line).toMatch(/call-\d/)
  }
})
