import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommanderError } from 'commander'
import { Belongings } from '../src/drill/belongings.ts'
import type { BenchContext } from './bench-context.ts'
import { BenchError } from './bench-error.ts'
import { makeBenchFolder } from './bench-folder.ts'
import { GUARD_RATIO, measureGuard } from './guard.ts'
import { LoadGenerator } from './load/load-generator.ts'
import { benchCommand, isComplete, planOf, type BenchOptions } from './options.ts'
import { formatSpread } from './report/format.ts'
import { describeProfiles } from './report/top-functions.ts'
import { runBench } from './run-bench.ts'
import { formatResults, writeResults } from './write-results.ts'

/** The command line of the bench: the only file of it that reads the environment, handles signals and exits. */

const FAILED = 1
const USED_WRONGLY = 2
/** No run takes so long by itself. */
const OVER_AFTER_MS = 45 * 60_000

const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => stopped.abort(new BenchError(`Stopped by ${signal}.`)))
}
setTimeout(() => stopped.abort(new BenchError('This takes too long.')), OVER_AFTER_MS).unref()

try {
  const command = benchCommand().exitOverride()
  command.action((options: BenchOptions) => withContext(options, (context) => run(options, context)))
  await command.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}
// What failed may have left a connection behind that tries for ever.
process.exit()

async function run(options: BenchOptions, context: BenchContext): Promise<void> {
  if (options.guard) {
    const ratio = await measureGuard(context)
    const isFast = ratio.median >= GUARD_RATIO
    const text = `the limit takes ${formatSpread(ratio)} of the receiver's processor time; at least ${GUARD_RATIO} is expected`
    process.stdout.write(`${isFast ? 'fast enough' : 'TOO SLOW'}: ${text}\n`)
    if (!isFast) process.exitCode = FAILED
    return
  }
  const results = await runBench(context, planOf(options))
  process.stdout.write(await formatResults(results))
  if (options.profile !== undefined) process.stdout.write(describeProfiles(options.profile))
  const folder =
    options.output ?? (isComplete(options) ? fileURLToPath(new URL('.', import.meta.url)) : undefined)
  if (folder === undefined) return
  await writeResults(results, folder)
  context.say(`written to ${folder}`)
}

/** Whatever happens to the work, no process and no file of it is left behind. */
async function withContext(
  { profile }: BenchOptions,
  work: (context: BenchContext) => Promise<void>,
): Promise<void> {
  if (process.platform !== 'linux') throw new BenchError('The bench reads /proc, so it runs on Linux only.')
  const folder = makeBenchFolder()
  const belongings = new Belongings(folder)
  const startedAt = performance.now()
  try {
    await work({
      folder,
      belongings,
      signal: stopped.signal,
      environment: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ...(profile !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(profile)}` }),
      },
      generator: new LoadGenerator(belongings, stopped.signal),
      say(line) {
        const seconds = Math.round((performance.now() - startedAt) / 1000)
        process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`)
      },
    })
  } finally {
    belongings.destroy()
  }
}

function reportFailure(error: unknown): number {
  // commander has written its own message, and ends --help with code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USED_WRONGLY
  const text =
    error instanceof BenchError ? error.message : error instanceof Error ? error.stack : 'unknown error'
  process.stderr.write(`${text}\n`)
  return FAILED
}
