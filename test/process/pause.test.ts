import { join } from 'node:path'
import { expect, it } from 'vitest'
import { jsonOf, runCommand } from '../support/command.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

async function startWithCrm() {
  const redis = await startRedis()
  const dir = tempDir()
  const [runs, otherRuns] = [join(dir, 'crm'), join(dir, 'other')]
  const env = { REDIS_URL: redis.url }
  const handlers = {
    'crm.ts': recordingHandler(runs, { name: 'crm' }),
    'other.ts': recordingHandler(otherRuns, { name: 'other' }),
  }
  const setup = { env: { ...env, HANDLERS_DIR: join(dir, 'handlers') }, handlers }
  const service = await startService(setup)
  return { env, setup, service, runs, otherRuns }
}

it('keeps what a paused handler would be given, over restarts, until it is resumed; others go on', async () => {
  const { env, setup, service, runs, otherRuns } = await startWithCrm()
  const paused = await waitFor('the handler to be known', async () => {
    const result = await runCommand(['pause', 'crm'], env)
    return result.code === 0 && result
  })
  expect(paused.stdout).toBe('crm is paused; 0 deliveries wait; to go on: callcov-receiver resume crm\n')
  await post(service.webhookUrl, signedDelivery())
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(otherRuns, 2)
  expect(await metrics(service)).toContain('handler_paused{handler="crm"} 1')
  expect(await metrics(service)).toContain('handler_paused{handler="other"} 0')
  expect(await metrics(service)).toContain('queue_jobs{queue="handler-crm",state="waiting"} 2')
  const waiting = await runCommand(['deliveries', '--state', 'waiting'], env)
  expect(waiting.stdout).toMatch(
    /^2 waiting jobs.*\ncrm is paused; to let it go on: callcov-receiver resume crm\n$/m,
  )

  await service.stop()
  const again = await startService(setup)
  await post(again.webhookUrl, signedDelivery())
  await waitForRuns(otherRuns, 3)
  expect(await jsonOf(['pause', 'crm'], env)).toEqual([
    { ok: true, handler: 'crm', paused: true, changed: false, waiting: 3 },
  ])
  expect(recordedRuns(runs)).toEqual([])

  expect(await jsonOf(['resume', 'crm'], env)).toMatchObject([{ ok: true, paused: false, changed: true }])
  await waitForRuns(runs, 3)
  expect(recordedRuns(runs).map(({ attempt }) => attempt)).toEqual([1, 1, 1])
  expect((await runCommand(['resume', 'crm'], env)).stdout).toBe('crm was not paused; 0 deliveries wait\n')
})

it('lets a delivery be replayed to a paused handler, where it waits, and be forgotten', async () => {
  const { env, service, runs } = await startWithCrm()
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-1' } }))
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-2' } }))
  await waitForRuns(runs, 2)
  await runCommand(['pause', 'crm'], env)
  const replay = ['replay', 'anl-1', 'anl-2', '--handler', 'crm']
  await waitFor('both to be over', async () => (await jsonOf(replay, env))[0]?.replayed === 2)
  expect(await jsonOf(['forget', 'anl-1', '--yes'], env)).toMatchObject([{ ok: true, erased: 1 }])
  await runCommand(['resume', 'crm'], env)
  expect((await waitForRuns(runs, 3)).at(-1)).toMatchObject({ analysisId: 'anl-2' })
})

it('names the known handlers when there is none of this name', async () => {
  const { env, service, otherRuns } = await startWithCrm()
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(otherRuns, 1)
  for (const command of ['pause', 'resume']) {
    const { code, stderr } = await runCommand([command, 'crmm'], env)
    expect(code).toBe(2)
    expect(stderr).toContain('There is no handler "crmm". Known are: crm, log, other.')
  }
})

async function metrics(service: Service): Promise<string> {
  return await (await fetch(`${service.adminUrl}/metrics`)).text()
}
