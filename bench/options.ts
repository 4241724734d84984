import { Command, InvalidArgumentError, Option } from 'commander'
import { text, wholeNumber } from '../src/cli/option-values.ts'
import { CONTENDERS } from './contenders/contenders.ts'
import { BODY_SIZES } from './load/bodies.ts'
import { PARTS, type BenchPlan } from './run-bench.ts'

export interface BenchOptions {
  readonly full?: true
  readonly guard?: true
  readonly only?: readonly string[]
  readonly sizes?: readonly string[]
  readonly parts?: readonly string[]
  readonly rounds?: number
  readonly seconds?: number
  readonly output?: string
  readonly profile?: string
}

const ROUNDS = 3
const SECONDS = 2
const MAX_ROUNDS = 100
const MAX_SECONDS = 60
/** Only in --full, or when asked for. */
const LONG_PARTS = new Set(['scale'])

const HELP = `
Contenders: ${CONTENDERS.map(({ id }) => id).join(', ')}
Parts:      ${PARTS.join(', ')}

Examples:
  npm run bench                                             the core, about five minutes
  npm run bench -- --only receiver,limit --sizes 1.5KB --parts accept   one comparison
  npm run bench -- --parts drain                            how fast a worker drains
  npm run bench -- --parts accept --only receiver --sizes 1.5KB --rounds 1 --seconds 10 --profile profiles

What leaves something out is written to standard output only, or to the folder of --output.
Exit code 0: measured (with --guard: fast enough), 1: not so, 2: used wrongly.
`

/** The command, still without what it does. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('measure the service against what users would pick instead, and against the limit')
    .addOption(new Option('--full', 'more of everything, about ten minutes').conflicts('guard'))
    .addOption(new Option('--guard', 'only whether accepting has become slower, in under a minute'))
    .addOption(new Option('--only <contenders>', 'these contenders, with commas').argParser(listOf(ids)))
    .addOption(new Option('--sizes <sizes>', 'bodies of these sizes').argParser(listOf(BODY_SIZES)))
    .addOption(new Option('--parts <parts>', 'these parts').argParser(listOf(PARTS)))
    .addOption(
      new Option('--rounds <n>', `of the comparison (default: ${ROUNDS})`).argParser(
        wholeNumber(1, MAX_ROUNDS),
      ),
    )
    .addOption(
      new Option('--seconds <n>', `of each load in it (default: ${SECONDS})`).argParser(
        wholeNumber(1, MAX_SECONDS),
      ),
    )
    .addOption(new Option('--output <folder>', 'where results are written').argParser(text))
    .addOption(
      new Option(
        '--profile <folder>',
        'write CPU profiles of our processes and show where time goes',
      ).argParser(text),
    )
    .addHelpText('after', HELP)
}

export function planOf(options: BenchOptions): BenchPlan {
  const { full = false, only, sizes, parts, rounds = ROUNDS, seconds = SECONDS } = options
  return {
    contenders: CONTENDERS.filter(({ id }) => only?.includes(id) ?? true),
    sizes: BODY_SIZES.filter((size) => sizes?.includes(size) ?? true),
    parts: PARTS.filter((part) => parts?.includes(part) ?? (full || !LONG_PARTS.has(part))),
    rounds,
    seconds,
    full,
    isComplete: isComplete(options),
  }
}

/** Whether the results stand for the whole, so that they may replace the published ones. */
export function isComplete({ only, sizes, parts, rounds, seconds, profile }: BenchOptions): boolean {
  return [only, sizes, parts, rounds, seconds, profile].every((option) => option === undefined)
}

const ids = CONTENDERS.map(({ id }) => id)

function listOf(known: readonly string[]) {
  return (value: string): readonly string[] => {
    const names = value.split(',').map((name) => name.trim())
    if (names.every((name) => known.includes(name))) return names
    throw new InvalidArgumentError(`It must be of ${known.join(', ')}, with commas between.`)
  }
}
