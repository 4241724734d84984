import { expect, it, onTestFinished } from 'vitest'
import { signedDelivery } from '../support/deliveries.ts'
import { deadLetters, expectHandled, freshDeliveries, send, startRun } from '../support/fault-run.ts'
import { waitForRuns } from '../support/recorder.ts'
import { waitFor } from '../support/wait.ts'

const POISON = 'poison'

it('PRO-11: of a delivery that ends the process and 50 slow ones beside it, only that one is a dead letter', async () => {
  const does = `if (event.analysisId === '${POISON}') process.exit(7)\n await sleep(1000)`
  const { service, redis, runs } = await startRun({ does })
  const innocent = [...freshDeliveries(50)]
  const poison = signedDelivery({ fields: { id: POISON } })
  for (const delivery of innocent.toSpliced(25, 0, poison)) expect(await send(service, delivery)).toBe(200)
  await waitFor('the dead letter', async () => (await deadLetters(redis)) > 0, { withinMs: 300_000 })
  await expectHandled(runs, innocent, 60_000)
  await waitFor('all runs to end', async () => {
    const done = await redis.use((client) => client.zcard('callcov:handler-recorder:completed'))
    // One more told startRun that the service is there.
    return done === innocent.length + 1
  })
  expect(await deadLetters(redis)).toBe(1)
  const [reason] = await redis.use(async (client) => {
    const ids = await client.zrange('callcov:handler-recorder:failed', '0', '-1')
    return await Promise.all(ids.map((id) => client.hget(`callcov:handler-recorder:${id}`, 'failedReason')))
  })
  expect(reason).toBe('crashed: the worker ended or froze 6 times while this ran')
}, 420_000)

it('a worker that is frozen is replaced, and its jobs go on', async () => {
  const { service, runs } = await startRun()
  const frozen = await service.workerPid()
  process.kill(frozen, 'SIGSTOP')
  onTestFinished(() => {
    try {
      process.kill(frozen, 'SIGKILL')
    } catch {
      // It was ended by the supervisor, as it should be.
    }
  })
  expect(await send(service, signedDelivery({ fields: { id: 'while frozen' } }))).toBe(200)
  await waitForRuns(runs, 2, 40_000)
  expect(await service.workerPid()).not.toBe(frozen)
})
