import { createReadStream, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Window } from './inject-faults.ts'
import type { LedgerLine } from './messages.ts'
import type { RecordedRun } from './recording-handler.ts'

/** `ANSWER_WITHIN` of the service is 4 s; the rest is for a busy machine. */
export const ANSWER_LIMIT_MS = 4500
/** Clocks of two processes, and a connection cut by the fault that is noticed a moment after it. */
const WINDOW_SLACK_MS = 100
const MAX_NAMED = 3

export type Verdict = Awaited<ReturnType<typeof reachVerdict>>

/** What was sent, from the sender's ledger alone. */
async function readLedger(file: string, windows: readonly Window[]) {
  const acknowledged = new Set<string>()
  const sent = new Set<string>()
  const answers: Record<string, number> = {}
  let slowestMs = 0
  let late = 0
  let cut = 0
  for await (const line of readLines<LedgerLine>(file)) {
    sent.add(line.analysisId)
    if (line.answer === 200) acknowledged.add(line.analysisId)
    answers[line.answer] = (answers[line.answer] ?? 0) + 1
    if (windows.some((window) => overlaps(line, window))) continue
    slowestMs = Math.max(slowestMs, line.ms)
    if (typeof line.answer === 'string') cut += 1
    else if (line.ms > ANSWER_LIMIT_MS) late += 1
  }
  return { acknowledged, sent, answers, slowestMs, late, cut }
}

/** What the handler did: how often each analysis was handled, and under how many delivery ids. */
async function readRuns(file: string) {
  const runs = new Map<string, number>()
  const deliveryIds = new Map<string, string>()
  let otherId = 0
  for await (const { analysisId, deliveryId } of readLines<RecordedRun>(file)) {
    runs.set(analysisId, (runs.get(analysisId) ?? 0) + 1)
    const first = deliveryIds.get(analysisId) ?? deliveryId
    deliveryIds.set(analysisId, first)
    if (first !== deliveryId) otherId += 1
  }
  return { runs, otherId }
}

/** Compares the sender's ledger with what the handler noted. */
export async function reachVerdict(options: {
  readonly ledgerFile: string
  readonly runsFile: string
  /** When the receiver was frozen or dead, so that nobody could answer. */
  readonly receiverFaults: readonly Window[]
}) {
  const { acknowledged, sent, ...ledger } = await readLedger(options.ledgerFile, options.receiverFaults)
  const { runs, otherId } = await readRuns(options.runsFile)
  const lost = [...acknowledged].filter((id) => !runs.has(id))
  const unacknowledged = sent.size - acknowledged.size
  return {
    ok: lost.length + ledger.late + ledger.cut + unacknowledged + otherId === 0 && acknowledged.size > 0,
    acknowledged: acknowledged.size,
    handled: [...acknowledged].filter((id) => runs.has(id)).length,
    handledMoreThanOnce: [...runs.values()].filter((count) => count > 1).length,
    lost: lost.length,
    lostIds: lost.slice(0, MAX_NAMED),
    /** Not even when the faults were over. */
    neverAcknowledged: unacknowledged,
    handledUnderAnotherId: otherId,
    answers: ledger.answers,
    /** The next three do not count requests that met a fault of the receiver itself. */
    slowestMs: ledger.slowestMs,
    late: ledger.late,
    cut: ledger.cut,
  }
}

async function* readLines<Line>(file: string): AsyncGenerator<Line> {
  if (!existsSync(file)) return
  for await (const line of createInterface({ input: createReadStream(file) })) yield JSON.parse(line) as Line
}

function overlaps({ at, ms }: LedgerLine, { from, to }: Window): boolean {
  return at <= to + WINDOW_SLACK_MS && at + ms >= from - WINDOW_SLACK_MS
}
