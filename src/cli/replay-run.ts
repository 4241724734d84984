import { FOUND_SOMETHING_WRONG, type CommandContext } from './command-context.ts'
import { INBOX } from './delivery-options.ts'
import { jsonLine } from './escape-text.ts'
import { startProgress } from './progress.ts'
import type { ReplayOptions } from './replay-options.ts'
import type { ReplayPlan } from './replay-plan.ts'
import { runAtRate } from './run-at-rate.ts'

/** Carries the plan out, or only says what it holds, and tells what came of it. */
export async function runReplay(
  plan: ReplayPlan,
  { dryRun, rate, json }: ReplayOptions,
  { write, setExitCode }: CommandContext,
): Promise<void> {
  const counts = { replayed: 0, busy: 0, gone: 0 }
  const startedAt = performance.now()
  if (!dryRun) await carryOut(plan, rate, counts)
  const summary = {
    ok: plan.problems.length === 0,
    dryRun: dryRun ?? false,
    /** What there was to replay, by handler. */
    planned: countByHandler(plan),
    replayed: counts.replayed,
    alreadyWaiting: counts.busy + plan.waiting,
    notFound: counts.gone + plan.missing.length,
    missing: plan.missing,
    notes: plan.notes,
    seconds: Math.round(performance.now() - startedAt) / 1000,
  }
  write(json ? jsonLine(summary) : describe(summary))
  process.stderr.write(plan.problems.join(''))
  if (!summary.ok) setExitCode(FOUND_SOMETHING_WRONG)
}

async function carryOut(
  { tasks, run }: ReplayPlan,
  rate: number,
  counts: { replayed: number; busy: number; gone: number },
): Promise<void> {
  const progress = startProgress(tasks.length)
  try {
    await runAtRate(tasks, rate, async (task) => {
      const result = await run(task)
      counts[result === 'now' ? 'replayed' : result] += 1
      progress.advance()
    })
  } finally {
    progress.stop()
  }
}

function countByHandler({ tasks }: ReplayPlan): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { handler } of tasks) counts[handler ?? INBOX] = (counts[handler ?? INBOX] ?? 0) + 1
  return counts
}

function describe(summary: {
  readonly dryRun: boolean
  readonly planned: Readonly<Record<string, number>>
  readonly replayed: number
  readonly alreadyWaiting: number
  readonly notFound: number
  readonly notes: readonly string[]
}): string {
  const { dryRun, planned, replayed, alreadyWaiting, notFound, notes } = summary
  const counts = Object.entries(planned)
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  const whom = total === 0 ? '' : ` (${counts.map(([name, count]) => `${name}: ${count}`).join(', ')})`
  const first = dryRun ? `nothing was changed; would replay ${total}${whom}` : `replayed ${replayed}`
  const line = `${first}, already waiting ${alreadyWaiting}, not found ${notFound}`
  return [line, ...notes].map((text) => `${text}\n`).join('')
}
