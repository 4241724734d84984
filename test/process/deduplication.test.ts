import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { completedAnalysis, post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

it('runs a handler once for 500 identical posts at once over two receivers', async () => {
  const { receivers, runs } = await startCluster()
  const delivery = signedDelivery()
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, index) => post(receivers[index % 2]?.webhookUrl ?? '', delivery)),
  )
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(500)
  await expectOnly(receivers[0]?.webhookUrl ?? '', runs, 1)
})

it('hands on a failed analysis and its later completion as two deliveries with ids of their own', async () => {
  const { receivers, runs } = await startCluster()
  const id = randomUUID()
  const url = receivers[0]?.webhookUrl ?? ''
  await post(
    url,
    signedDelivery({ fields: { id, status: 'failed', results: null, error_message: 'no audio' } }),
  )
  await post(url, signedDelivery({ fields: { id } }))
  const recorded = await waitForRuns(runs, 2)
  expect(recorded.map((run) => run.type).toSorted()).toEqual(['analysis.completed', 'analysis.failed'])
  expect(new Set(recorded.map((run) => run.deliveryId)).size).toBe(2)
})

it('runs a handler once for one outcome in both shapes', async () => {
  const { receivers, runs } = await startCluster()
  const { id, results } = { ...completedAnalysis() }
  const url = receivers[0]?.webhookUrl ?? ''
  const eventShape = JSON.stringify({ event: 'analysis.completed', analysis_id: id, result: results })
  expect((await post(url, signedDelivery({ fields: { id } }))).status).toBe(200)
  expect((await post(url, signedDelivery({ body: eventShape }))).status).toBe(200)
  await expectOnly(url, runs, 1)
})

it('tells ids apart that differ in case, form or type of blank, and hands on each exactly', async () => {
  const { receivers, runs } = await startCluster()
  const ids = [
    'a',
    'A',
    'é',
    'e\u0301',
    'a:b',
    'a:b:c',
    '0',
    '-1E2',
    ' ',
    '\n',
    '\u0000',
    '../..',
    '{tag}',
    'x'.repeat(10_000),
  ]
  const url = receivers[0]?.webhookUrl ?? ''
  for (const id of [...ids, '__proto__', 'repeat:1:2', '12345678901234567890']) {
    expect((await post(url, signedDelivery({ fields: { id } }))).status).toBe(200)
  }
  const recorded = await waitForRuns(runs, ids.length + 3)
  const seen = new Set(recorded.map((run) => run.analysisId))
  for (const id of ids) expect(seen).toContain(id)
  expect(recorded).toHaveLength(ids.length + 3)
})

it('holds back what was created longer ago than STALE_AFTER, as a dead letter and answered 200', async () => {
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env: { STALE_AFTER: '8h' },
    handlers: { 'recorder.ts': recordingHandler(runs) },
  })
  const ageHours = (hours: number) => ({ created: Math.floor(Date.now() / 1000) - hours * 3600 })
  const old = await post(service.webhookUrl, signedDelivery({ fields: { id: 'old', ...ageHours(9) } }))
  expect(old.status).toBe(200)
  await waitFor('the dead letter', () => service.logLines({ msg: 'delivery not dispatched' }).length > 0)
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'timeless', created: null } }))
  await post(service.webhookUrl, signedDelivery({ fields: { id: 'young', ...ageHours(7) } }))
  const recorded = await waitForRuns(runs, 2)
  expect(recorded.map((run) => run.analysisId).toSorted()).toEqual(['timeless', 'young'])
  expect(service.logLines({ msg: 'delivery not dispatched' })[0]?.reason).toMatch(/^stale: /)
})

async function startCluster() {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const env = { REDIS_URL: redis.url }
  const receivers = await Promise.all([
    startService({ env: { ...env, ROLE: 'receiver' } }),
    startService({ env: { ...env, ROLE: 'receiver' } }),
  ])
  await startService({ env: { ...env, ROLE: 'worker' }, handlers: { 'recorder.ts': recordingHandler(runs) } })
  for (const receiver of receivers) {
    await waitFor('readiness', async () => (await fetch(`${receiver.url}/health/ready`)).ok)
  }
  return { receivers, runs }
}

/** A marker that comes after everything else: once it is handled, what was to come has come. */
async function expectOnly(url: string, runs: string, count: number): Promise<void> {
  const marker = randomUUID()
  await post(url, signedDelivery({ fields: { id: marker } }))
  await waitFor('the marker', () => recordedRuns(runs).some((run) => run.analysisId === marker))
  expect(recordedRuns(runs).filter((run) => run.analysisId !== marker)).toHaveLength(count)
}
