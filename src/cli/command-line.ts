import type { CommandContext } from './command-context.ts'
import { formatTable } from './print-table.ts'

/** A command of this program as it is typed where the present one was: through npm, or by its own name. */
export function typed(
  { environment }: CommandContext,
  command: string,
  args = '',
  { onlyOutput = false } = {},
): string {
  if (environment.npm_lifecycle_event === undefined) return `callcov-receiver ${command} ${args}`.trimEnd()
  // npm announces on standard output what it runs, unless it is told to be silent.
  const npm = onlyOutput ? 'npm run --silent' : 'npm run'
  return `${npm} ${command}${args === '' ? '' : ` -- ${args}`}`
}

/** Examples for a help text: a command, its arguments and what it is good for. */
export function describeExamples(
  context: CommandContext,
  examples: readonly (readonly [command: string, args: string, purpose: string])[],
): string {
  const rows = examples.map(([command, args, purpose]) => [`  ${typed(context, command, args)}`, purpose])
  return `Examples:\n${formatTable(rows)}`
}
