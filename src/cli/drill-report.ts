import type { DrillReport } from '../drill/run-drill.ts'
import { ANSWER_LIMIT_MS } from '../drill/verdict.ts'
import { formatTable } from './print-table.ts'

/** From here on times say more about the machine than about the service. */
const BUSY_FROM_MS = 400

/** The report for a person: what always interests, and what else went wrong. */
export function describeReport(report: DrillReport): string {
  const answers = Object.entries(report.answers).map(([answer, count]) => `${answer}: ${count}`)
  const limit = `${ANSWER_LIMIT_MS / 1000} s`
  const wrong: [string, number][] = [
    ['never acknowledged', report.neverAcknowledged],
    [`answers after ${limit}`, report.late],
    ['cut though the receiver ran', report.cut],
    ['handled under another id', report.handledUnderAnotherId],
    ['dead letters', report.deadLetters],
    ['still in the queues', report.unfinished],
  ]
  return formatTable([
    ['faults', String(report.faults.length)],
    ['acknowledged', String(report.acknowledged)],
    ['handled', String(report.handled)],
    ['handled more than once', String(report.handledMoreThanOnce)],
    ['lost', describeLost(report)],
    ['answers', answers.join(', ') || 'none'],
    ['slowest answer', `${report.slowestMs} ms (while the receiver was neither frozen nor dead)`],
    ...wrong.filter(([, count]) => count > 0).map(([name, count]) => [name, String(count)]),
    ...(report.senderLateMs > BUSY_FROM_MS ? [['busy machine', describeBusy(report)]] : []),
    ...(report.folder === undefined ? [] : [['folder', report.folder]]),
    ['verdict', report.ok ? 'nothing acknowledged was lost, every answer was in time' : 'FAILED'],
  ])
}

function describeBusy({ senderLateMs }: DrillReport): string {
  return `the sender itself was up to ${senderLateMs} ms late; a lower --rate tells more about the service`
}

function describeLost({ lost, lostIds }: DrillReport): string {
  if (lost === 0) return '0'
  return `${lost} (${lostIds.join(', ')}${lost > lostIds.length ? ', ...' : ''})`
}
