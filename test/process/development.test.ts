import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

it('runs a handler as it was last saved, and says that the worker starts anew', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({ handlers: { 'recorder.ts': recordingHandler('/dev/null') } })
  writeFileSync(join(service.handlersDir, 'recorder.ts'), recordingHandler(runs))
  await waitFor('the new worker', () => service.output.includes('the worker runs again'))
  expect(service.output).toContain('a handler file has changed')
  await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 1)
})

it('sees a file also when an editor replaces it by another of its name, again and again', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({ handlers: { 'recorder.ts': recordingHandler('/dev/null') } })
  const file = join(service.handlersDir, 'recorder.ts')
  for (const round of [1, 2, 3]) {
    writeFileSync(join(service.handlersDir, '.recorder.tmp'), recordingHandler(`${runs}${round}`))
    renameSync(join(service.handlersDir, '.recorder.tmp'), file)
    await waitFor('the new worker', () => service.output.split('the worker runs again').length > round)
    await post(service.webhookUrl, signedDelivery())
    await waitForRuns(`${runs}${round}`, 1)
  }
})

it('names a file that was saved broken, accepts webhooks meanwhile, and runs them once it is mended', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({ handlers: { 'recorder.ts': recordingHandler(runs) } })
  const file = join(service.handlersDir, 'recorder.ts')
  writeFileSync(file, 'export default {')
  await waitFor('the report', () => service.output.includes('These handlers cannot be used'))
  expect(service.output).toContain(file)
  expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)
  writeFileSync(file, recordingHandler(runs))
  await waitForRuns(runs, 1)
})

it('ends in production with the reason when a later worker cannot start', async () => {
  const redis = await startRedis()
  const service = await startService({
    env: { NODE_ENV: 'production', REDIS_URL: redis.url },
    handlers: { 'recorder.ts': recordingHandler('/dev/null') },
  })
  writeFileSync(join(service.handlersDir, 'recorder.ts'), 'export default {')
  process.kill(await service.workerPid(), 'SIGKILL')
  expect(await service.exitCode()).toBe(1)
  expect(service.output).toContain('recorder.ts')
})
