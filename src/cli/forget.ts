import type { Command } from 'commander'
import { deliveriesOf } from '../inbox/deliveries-of.ts'
import { forget, type Forgotten } from '../inbox/forget.ts'
import { FOUND_SOMETHING_WRONG, USED_WRONGLY, type CommandContext } from './command-context.ts'
import { describeExamples, typed } from './command-line.ts'
import { jsonOption } from './delivery-options.ts'
import { escapeText, jsonLine } from './escape-text.ts'
import { forgetInHandlers, keepingHandlers, type ForgottenByHandler } from './forget-in-handlers.ts'
import { reportWrongUse, useDeliveries, type OpenDeliveries } from './open-deliveries.ts'
import { text } from './option-values.ts'

interface ForgetOptions {
  readonly yes?: true
  readonly json?: true
}

const ERROR_CHARACTERS = 300
const help = (context: CommandContext) => `
Erases every delivery of the analysis or call, whatever has become of it: body, failures, all that queues hold about it.
Dedupe keys stay, which are digests: the same outcome sent again is answered as a duplicate, and not stored again
unless its body differs. The handlers of the service that keep something and are on here (postgres, archive) erase it
too: run this where the settings of the worker are.
Not touched: what your own handlers made of it, what forward and notify sent to others, your logs and backups, and
bodies that name neither (to find them:
${typed(context, 'deliveries', '--reason unrecognised')}).

${describeExamples(context, [
  ['forget', 'ID', 'shows how much there is'],
  ['forget', 'ID --yes', 'erases it'],
])}
Exit code 0: erased, 1: nothing is stored under this id, a handler is working on it, one could not erase what it keeps,
or the bytes are still on disk, 2: wrong options, or --yes is missing.
`

/** Adds `forget`, which erases an analysis or a call from Redis, from its file, and from what built-in handlers keep. */
export function addForgetCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('forget')
    .description('erase everything about an analysis or a call')
    .argument('<id>', 'analysis or call id, exactly as the provider sent it', text)
    .option('--yes', 'really erase it')
    .addOption(jsonOption('the outcome as one line of JSON'))
    .addHelpText('after', help(context))
  command.action((id: string, options: ForgetOptions) =>
    reportWrongUse(command, () =>
      useDeliveries(context.environment, (open) => forgetId(open, id, options, context)),
    ),
  )
}

async function forgetId(
  { connection }: OpenDeliveries,
  id: string,
  { yes, json }: ForgetOptions,
  { environment, write, setExitCode }: CommandContext,
): Promise<void> {
  const handlers = await keepingHandlers(environment)
  if (!yes) {
    const stored = (await deliveriesOf(connection, [id])).get(id)?.size ?? 0
    const asked = handlers.map(({ name }) => name)
    if (json) write(jsonLine({ ok: false, stored, erased: 0, handlers: asked }))
    else {
      const too = asked.length === 0 ? '' : `, and from what ${asked.join(' and ')} kept`
      write(`${count(stored)} stored under this id; add --yes to erase for good${too}\n`)
    }
    setExitCode(USED_WRONGLY)
    return
  }
  const forgotten = await forget(connection, id)
  const byHandlers = await forgetInHandlers(handlers, id)
  const { erased, running, rewritten } = forgotten
  const wasThere = erased > 0 || byHandlers.some((result) => 'erased' in result && result.erased > 0)
  const isWhole = byHandlers.every((result) => 'erased' in result)
  const ok = wasThere && isWhole && running.length === 0 && rewritten
  if (json) write(jsonLine({ ok, ...forgotten, handlers: byHandlers }))
  else write(describe(forgotten, wasThere) + byHandlers.map(describeHandler).join(''))
  if (!ok) setExitCode(FOUND_SOMETHING_WRONG)
}

function describe({ erased, running, rewritten }: Forgotten, wasThere: boolean): string {
  const lines = [`erased ${count(erased)}; dedupe keys stay, so that it is not stored again`]
  if (!wasThere && running.length === 0) {
    lines[0] = 'nothing is stored under this id (any more); was it written exactly as the provider sent it?'
  }
  if (running.length > 0) {
    lines.push(
      `left as it is: ${count(running.length)} that a handler is working on; try again when it is done`,
    )
  } else if (rewritten) lines.push('Redis has rewritten its file: nothing of it is left on disk')
  else {
    lines.push(
      'the bytes are still on disk: Redis did not rewrite its file. Run BGREWRITEAOF in redis-cli where it keeps an',
      'append-only file, BGSAVE where it keeps snapshots, or see how your provider of Redis deletes backups',
    )
  }
  return lines.map((line) => `${line}\n`).join('')
}

function describeHandler(result: ForgottenByHandler): string {
  if ('error' in result) {
    const why = escapeText(result.error, ERROR_CHARACTERS)
    return `${result.handler}: NOT erased (${why}); run this again when it can be reached\n`
  }
  return `${result.handler}: erased ${result.erased} ${result.erased === 1 ? 'record' : 'records'}\n`
}

function count(deliveries: number): string {
  return `${deliveries} ${deliveries === 1 ? 'delivery' : 'deliveries'}`
}
