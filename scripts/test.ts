/**
 * `npm test`: format, lint, types, then every test, with the totals on a line of their own at the end.
 * `npm test -- test/unit/config.test.ts` runs only what the tests are asked for.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const selected = process.argv.slice(2)
const reportDir = mkdtempSync(join(tmpdir(), 'callcov-tests-'))
const reportFile = join(reportDir, 'report.json')

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      /** Why a test cannot run on this machine, where it says so. */
      readonly meta: { readonly skipReason?: string }
    }[]
  }[]
}

const checks: readonly (readonly string[])[] = [
  ['prettier', '--check', '--log-level', 'warn', '.'],
  ['oxlint', '--type-aware', '--deny-warnings'],
  ['tsc'],
]
let ok = selected.length > 0 || checks.every((check) => run(check))
ok =
  run([
    'vitest',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${reportFile}`,
    ...selected,
  ]) && ok
ok = printTotals() && ok
rmSync(reportDir, { recursive: true })
process.exitCode = ok ? 0 : 1

function run(command: readonly string[]): boolean {
  const [name = '', ...args] = command
  process.stdout.write(`\n> ${[name, ...args].join(' ')}\n`)
  const { status } = spawnSync(join('node_modules', '.bin', name), args, { stdio: 'inherit' })
  return status === 0
}

/** False when no test ran, unless each says why it cannot: a run that tests nothing must not pass by accident. */
function printTotals(): boolean {
  let report: Report
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
  } catch {
    process.stdout.write('no test ran\n')
    return false
  }
  let allExplained = true
  for (const file of report.testResults) {
    const skipped = file.assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed')
    for (const { fullName, meta } of skipped) {
      process.stdout.write(`skipped: ${fullName}${meta.skipReason ? ` (${meta.skipReason})` : ''}\n`)
      allExplained &&= meta.skipReason !== undefined
    }
  }
  const skipped = report.numPendingTests + report.numTodoTests
  // A file that does not load fails without a failed test.
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  ).length
  const failed = report.numFailedTests + brokenFiles
  process.stdout.write(`\n${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`)
  return failed === 0 && (report.numPassedTests > 0 || (skipped > 0 && allExplained))
}
