import { join } from 'node:path'
import { expect, it } from 'vitest'
import { jsonOf, runCommand } from '../support/command.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** Nothing listens there. */
const NO_DATABASE = 'postgres://nobody:SECRETWORD@127.0.0.1:1/calls'

async function startArchiving() {
  const redis = await startRedis()
  const dir = tempDir()
  const runs = join(dir, 'runs')
  const env = { REDIS_URL: redis.url, ARCHIVE_DIR: join(dir, 'archive') }
  const forgetting = `forget: async () => { throw new Error('users files are not loaded') },`
  const handlers = { 'crm.ts': recordingHandler(runs, { name: 'crm', options: forgetting }) }
  const service = await startService({ env, handlers })
  const send = async (id: string) => {
    await post(service.webhookUrl, signedDelivery({ fields: { id } }))
    await waitFor(
      'it to be archived',
      () => service.logLines({ handler: 'archive', id, msg: 'handled' }).length > 0,
    )
  }
  return { redis, env, service, runs, send }
}

it('erases what the built-in handlers keep, and says how much with each', async () => {
  const { env, runs, send } = await startArchiving()
  await send('anl-1')
  await send('anl-2')
  await waitForRuns(runs, 2)
  expect((await runCommand(['forget', 'anl-1'], env)).stdout).toBe(
    '1 delivery stored under this id; add --yes to erase for good, and from what archive kept\n',
  )
  const { code, stdout } = await runCommand(['forget', 'anl-1', '--yes'], env)
  expect(stdout).toContain('archive: erased 1 record\n')
  expect(code).toBe(0)
  expect(recordedRuns(runs)).toHaveLength(2)
})

it('is right also for an analysis that only a handler keeps by now', async () => {
  const { redis, env, send } = await startArchiving()
  await send('anl-1')
  await redis.use((client) => client.flushall())
  expect(await jsonOf(['forget', 'anl-1', '--yes'], env)).toMatchObject([
    { ok: true, erased: 0, handlers: [{ handler: 'archive', erased: 1 }] },
  ])
  expect(await jsonOf(['forget', 'anl-1', '--yes'], env)).toMatchObject([
    { ok: false, handlers: [{ handler: 'archive', erased: 0 }] },
  ])
})

it('erases the rest when one handler cannot, says which, and ends with exit code 1', async () => {
  const { env, send } = await startArchiving()
  await send('anl-1')
  const { code, stdout, stderr } = await runCommand(['forget', 'anl-1', '--yes'], {
    ...env,
    DATABASE_URL: NO_DATABASE,
  })
  expect(code).toBe(1)
  expect(stdout).toContain('erased 1 delivery')
  expect(stdout).toContain('archive: erased 1 record\n')
  expect(stdout).toMatch(/^postgres: NOT erased \(.*ECONNREFUSED.*\); run this again/m)
  expect(stdout + stderr).not.toContain('SECRETWORD')
}, 90_000)
