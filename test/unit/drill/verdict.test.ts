import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Window } from '../../../src/drill/inject-faults.ts'
import type { LedgerLine } from '../../../src/drill/messages.ts'
import type { RecordedRun } from '../../../src/drill/recording-handler.ts'
import { reachVerdict } from '../../../src/drill/verdict.ts'
import { tempDir } from '../../support/temp-dir.ts'

it('all is well when everything acknowledged was handled in time', async () => {
  const ledger = [attempt({ answer: 503, ms: 4000 }), attempt({ at: 60_000 }), attempt({ analysisId: 'b' })]
  expect(await judge({ ledger, runs: [run(), run({ analysisId: 'b' })] })).toMatchObject({
    ok: true,
    acknowledged: 2,
    handled: 2,
    handledMoreThanOnce: 0,
    lost: 0,
    answers: { 200: 2, 503: 1 },
    slowestMs: 4000,
  })
})

it('what was acknowledged and not handled is lost, and named', async () => {
  const verdict = await judge({ ledger: [attempt(), attempt({ analysisId: 'b' })], runs: [run()] })
  expect(verdict).toMatchObject({ ok: false, acknowledged: 2, handled: 1, lost: 1, lostIds: ['b'] })
})

it('what was never acknowledged is not lost, but a fault', async () => {
  const ledger = [attempt(), attempt({ analysisId: 'b', answer: 503 })]
  expect(await judge({ ledger, runs: [run()] })).toMatchObject({ ok: false, lost: 0, neverAcknowledged: 1 })
})

it('what was handled twice is counted once, and is a fault only under another delivery id', async () => {
  const twice = await judge({ runs: [run(), run({ attempt: 2 })] })
  expect(twice).toMatchObject({ ok: true, handled: 1, handledMoreThanOnce: 1 })
  const renamed = await judge({ runs: [run(), run({ deliveryId: 'other' })] })
  expect(renamed).toMatchObject({ ok: false, handledUnderAnotherId: 1 })
})

it.each([
  ['a late answer', { ms: 4501 }, { late: 1, slowestMs: 4501 }],
  ['a cut connection', { answer: 'ECONNRESET' }, { cut: 1 }],
])('%s is a fault, unless the receiver could not answer meanwhile', async (_what, change, expected) => {
  const ledger = [attempt({ at: 10_000, ...change }), attempt({ at: 20_000 })]
  expect(await judge({ ledger, runs: [run()] })).toMatchObject({ ok: false, ...expected })
  const elsewhere = [{ from: 1000, to: 9000 }]
  expect(await judge({ ledger, runs: [run()], receiverFaults: elsewhere })).toMatchObject({ ok: false })
  const meanwhile = [{ from: 10_001, to: 11_000 }]
  expect(await judge({ ledger, runs: [run()], receiverFaults: meanwhile })).toMatchObject({
    ok: true,
    late: 0,
    cut: 0,
    slowestMs: 10,
  })
})

it('a drill in which nothing was acknowledged proves nothing', async () => {
  expect(await judge({ ledger: [] })).toMatchObject({ ok: false, acknowledged: 0 })
})

function attempt(change: Partial<LedgerLine> = {}): LedgerLine {
  return { analysisId: 'a', at: 0, ms: 10, answer: 200, ...change }
}

function run(change: Partial<RecordedRun> = {}): RecordedRun {
  return { analysisId: 'a', deliveryId: 'delivery', attempt: 1, ...change }
}

async function judge({
  ledger = [attempt()],
  runs = [],
  receiverFaults = [],
}: {
  ledger?: readonly LedgerLine[]
  runs?: readonly RecordedRun[]
  receiverFaults?: readonly Window[]
}) {
  const folder = tempDir()
  const file = (name: string, lines: readonly unknown[]) => {
    const path = join(folder, name)
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    return path
  }
  return await reachVerdict({
    ledgerFile: file('ledger', ledger),
    runsFile: file('runs', runs),
    receiverFaults,
  })
}
