import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const OPEN_FOR_MS = 500
/** What a busy machine may add to a wait. */
const MARGIN_MS = 2000
const DELIVERIES = 60

/** A handler whose target is down while a file says so, with a breaker that opens after 5 failures. */
async function startWithTarget(options = ''): Promise<{
  service: Service
  runs: string
  healthyRuns: string
  setDown: (isDown: boolean) => void
}> {
  const dir = tempDir()
  const [runs, healthyRuns, target] = [join(dir, 'runs'), join(dir, 'healthy'), join(dir, 'target')]
  const setDown = (isDown: boolean) => writeFileSync(target, isDown ? 'down' : 'up')
  setDown(true)
  const fails = `if (readFileSync(${JSON.stringify(target)}, 'utf8') === 'down') throw new Error('the target is down')`
  const breaker = `breaker: { failures: 5, openFor: '${OPEN_FOR_MS}ms' }, concurrency: 1, backoff: '100ms', ${options}`
  const text = recordingHandler(runs, { name: 'calls-target', does: fails, options: breaker })
  const service = await startService({
    handlers: {
      'calls-target.ts': `import { readFileSync } from 'node:fs'\n${text}`,
      'healthy.ts': recordingHandler(healthyRuns, { name: 'healthy' }),
    },
  })
  return { service, runs, healthyRuns, setDown }
}

it('rests a handler after 5 failures in a row, uses up no attempt meanwhile, and probes once after each rest, which doubles', async () => {
  const { service, runs, healthyRuns, setDown } = await startWithTarget()
  for (let count = 0; count < DELIVERIES; count += 1) await post(service.webhookUrl, signedDelivery())
  // 5 until it opens, then one probe after each of the rests of 1, 2 and 4 times the first.
  const eight = await waitForRuns(runs, 8)
  const probes = eight.slice(4).map(({ at }) => at)
  const rests = probes.slice(1).map((at, index) => at - (probes[index] ?? at))
  for (const [index, rest] of rests.entries()) {
    const expected = OPEN_FOR_MS * 2 ** index
    expect(rest).toBeGreaterThanOrEqual(expected)
    expect(rest).toBeLessThan(expected + MARGIN_MS)
  }
  expect(await metric(service, 'breaker_open{handler="calls-target"}')).toBe(1)
  expect(await metric(service, 'breaker_open{handler="healthy"}')).toBe(0)
  await waitForRuns(healthyRuns, DELIVERIES)
  expect(recordedRuns(runs)).toHaveLength(8)

  setDown(false)
  const completed = 'queue_jobs{queue="handler-calls-target",state="completed"}'
  await waitFor(
    'every delivery to be handled',
    async () => (await metric(service, completed)) === DELIVERIES,
    { withinMs: 30_000 },
  )
  expect(await metric(service, 'breaker_open{handler="calls-target"}')).toBe(0)
  // 8 failed runs, and one success each: nothing was tried in vain while it rested.
  expect(recordedRuns(runs)).toHaveLength(DELIVERIES + 8)
  expect(service.logLines({ handler: 'calls-target', level: 40, failures: 5 })).toHaveLength(1)
  expect(service.logLines({ handler: 'calls-target', msg: 'the breaker has closed' })).toHaveLength(1)
  expect(service.logLines({ msg: 'dead letter' })).toEqual([])
})

it('takes one job alone for the probe, of a handler that otherwise runs many at once', async () => {
  const { service, runs } = await startWithTarget('concurrency: 20,')
  for (let count = 0; count < DELIVERIES; count += 1) await post(service.webhookUrl, signedDelivery())
  await waitForRuns(runs, 5)
  const opened = await waitFor('the breaker to open', () => service.logLines({ failures: 5 })[0])
  const openedAt = Number(opened.time)
  await waitFor('two probes', () => later(runs, openedAt).length >= 2)
  // Those that had begun when it opened may still end, within what a write to a file takes.
  expect(later(runs, openedAt)).toHaveLength(2)
  const postponed = await metric(service, 'handler_runs_total{handler="calls-target",outcome="postponed"}')
  expect(postponed).toBeLessThan(40)
})

function later(runs: string, openedAt: number) {
  return recordedRuns(runs).filter(({ at }) => at > openedAt + OPEN_FOR_MS / 2)
}

async function metric(service: Service, name: string): Promise<number> {
  const text = await (await fetch(`${service.adminUrl}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`callcov_receiver_${name} `))
  return Number(line?.split(' ').at(-1) ?? 0)
}
