import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { post, signedDelivery } from '../support/deliveries.ts'
import { HOSTILE_IDS } from '../support/hostile-strings.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const AT_ONCE = 20

async function startRecording() {
  const runs = join(tempDir(), 'runs')
  const service = await startService({ handlers: { 'recorder.ts': recordingHandler(runs) } })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  const sendAll = async (ids: readonly string[]) => {
    const statuses = new Map<string, number>()
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      const sent = ids.slice(from, from + AT_ONCE).map(async (id) => {
        const body = JSON.stringify({ id, status: 'completed' })
        statuses.set(id, (await post(service.webhookUrl, signedDelivery({ body }))).status)
      })
      await Promise.all(sent)
    }
    return statuses
  }
  return { service, runs, sendAll }
}

/** A marker that comes after everything else: once it is handled, what was to come has come. */
async function expectOnce(
  runs: string,
  ids: readonly string[],
  sendAll: (ids: string[]) => Promise<unknown>,
) {
  await waitForRuns(runs, ids.length, 60_000)
  const marker = randomUUID()
  await sendAll([marker])
  await waitFor('the marker', () => recordedRuns(runs).some((run) => run.analysisId === marker))
  const seen = recordedRuns(runs).map((run) => run.analysisId)
  expect(seen.filter((id) => id !== marker).toSorted()).toEqual(ids.toSorted())
  expect(new Set(recordedRuns(runs).map((run) => run.deliveryId)).size).toBe(ids.length + 1)
}

it('REP-06: hostile ids are each answered 200, handled once under the exact id, and duplicates the second time', async () => {
  expect(HOSTILE_IDS.length).toBeGreaterThan(200)
  const { service, runs, sendAll } = await startRecording()
  for (const round of ['first', 'second']) {
    const statuses = await sendAll(HOSTILE_IDS)
    expect([round, [...statuses].filter(([, status]) => status !== 200)]).toEqual([round, []])
  }
  await expectOnce(runs, HOSTILE_IDS, sendAll)
  const duplicates = `requests_total{source="callcov",outcome="duplicate"} ${HOSTILE_IDS.length}`
  expect(await (await fetch(`${service.adminUrl}/metrics`)).text()).toContain(duplicates)
}, 120_000)

it('REP-06: any text as id is handled once, under exactly that id', async () => {
  const { runs, sendAll } = await startRecording()
  const samples = fc.sample(fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }), 200)
  const ids = [...new Set(samples)]
  for (let round = 0; round < 2; round += 1) {
    expect(new Set((await sendAll(ids)).values())).toEqual(new Set([200]))
  }
  await expectOnce(runs, ids, sendAll)
}, 120_000)

it('LOG-03: hostile ids leave one object in one line, without control characters', async () => {
  const { service, runs, sendAll } = await startRecording()
  const ids = HOSTILE_IDS.filter((id) => id.length < 1000)
  await sendAll(ids)
  await waitForRuns(runs, ids.length, 60_000)
  await waitFor(
    'a line each',
    () => service.logLines({ msg: 'handled', handler: 'recorder' }).length === ids.length,
  )
  const lines = service.output.split('\n').filter((line) => line.startsWith('{'))
  for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow()
  // eslint-disable-next-line no-control-regex -- a control character is what must not be there
  expect(lines.join('')).not.toMatch(/[\u0000-\u001f]/)
  const logged = service.logLines({ msg: 'webhook stored' }).map((line) => line.id)
  // A half of a surrogate pair has no form in UTF-8.
  expect(new Set(logged)).toEqual(new Set(ids.map((id) => id.toWellFormed())))
}, 120_000)

it('OVL-04: a line is no longer than 8 kB, however long the id is', async () => {
  const { service, runs, sendAll } = await startRecording()
  await sendAll(['x'.repeat(10_000), '\u0000'.repeat(20_000), 'é'.repeat(1_000_000)])
  await waitForRuns(runs, 3, 60_000)
  await waitFor('the lines', () => service.logLines({ msg: 'handled', handler: 'recorder' }).length === 3)
  const longest = Math.max(...service.output.split('\n').map((line) => Buffer.byteLength(line)))
  expect(longest).toBeLessThanOrEqual(8192)
})
