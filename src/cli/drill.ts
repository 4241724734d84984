import { resolve } from 'node:path'
import type { Command } from 'commander'
import { describeFault } from '../drill/faults.ts'
import { runDrill, type DrillReport } from '../drill/run-drill.ts'
import { DrillError } from '../drill/wait-until.ts'
import { FOUND_SOMETHING_WRONG, type CommandContext } from './command-context.ts'
import { describeReport } from './drill-report.ts'
import { drillOptions, planLoad, type DrillCommandOptions } from './drill-options.ts'
import { startProgress } from './progress.ts'

export interface DrillContext extends CommandContext {
  /** The file that runs the service. */
  readonly entry: string
  readonly onStopSignal: (stop: () => void) => void
}

const HELP = `
It runs a service and a Redis of its own, in a folder of its own; nothing of yours is touched. A sender beside it
sends signed webhooks, and again what was not acknowledged, as CallCov does but a second for each minute.

Examples:
  npm run drill                                 a minute, 20000 webhooks
  npm run drill -- --minutes 30 --rate 100      half an hour, more gently

Exit code 0: everything acknowledged was handled, every answer was in time; 1: not so; 2: wrong options.
`

/** Adds `drill`, which proves on this machine that nothing acknowledged is lost. */
export function addDrillCommand(program: Command, context: DrillContext): void {
  const command = program
    .command('drill')
    .description('kill and freeze a service of its own under load, and count what was lost')
  for (const option of drillOptions()) command.addOption(option)
  command.addHelpText('after', HELP)
  command.action(async (options: DrillCommandOptions) => await drill(options, context))
}

async function drill(options: DrillCommandOptions, context: DrillContext): Promise<void> {
  const { environment, entry, write, setExitCode, onStopSignal } = context
  const load = planLoad(options)
  const stopped = new AbortController()
  onStopSignal(() =>
    stopped.abort(new DrillError('The drill was interrupted; what it had started is ended.')),
  )
  const progress = startProgress(load.count)
  let acknowledged = 0
  let report: DrillReport
  try {
    report = await runDrill({
      ...load,
      entry: options.entry === undefined ? entry : resolve(options.entry),
      keep: options.keep ?? false,
      // Not the settings of the service that somebody runs here.
      environment: { PATH: environment.PATH },
      signal: stopped.signal,
      onFault: (fault) => say(`${(fault.atMs / 1000).toFixed(1).padStart(6)} s  ${describeFault(fault)}`),
      onProgress(total) {
        for (; acknowledged < total; acknowledged += 1) progress.advance()
      },
    })
  } catch (error) {
    if (!(error instanceof DrillError)) throw error
    setExitCode(FOUND_SOMETHING_WRONG)
    say(error.message)
    return
  } finally {
    progress.stop()
  }
  write(options.json ? `${JSON.stringify(report)}\n` : describeReport(report))
  if (!report.ok) setExitCode(FOUND_SOMETHING_WRONG)
}

/** Over the progress bar, which the next step of it draws again below. */
function say(line: string): void {
  process.stderr.write(`${process.stderr.isTTY ? '\r\u001B[K' : ''}${line}\n`)
}
