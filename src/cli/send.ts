import { InvalidArgumentError, type Command } from 'commander'
import { FOUND_SOMETHING_WRONG, USED_WRONGLY, type CommandContext } from './command-context.ts'
import { isUnreachable, postWebhooks } from './post-webhooks.ts'
import { startProgress } from './progress.ts'
import { sendOptions, type SendOptions } from './send-options.ts'
import { planSend } from './send-plan.ts'
import { describeSummary, explainFailures, summarise, type SendRun } from './send-summary.ts'

const DEFAULT_CONCURRENCY = 10
/** 500 requests a second meet it only when answers take 2 s: a schedule must not wait for slow answers. */
const DEFAULT_CONCURRENCY_WITH_RATE = 1000

const HELP = `
Examples:
  npm run send                                  one completed analysis to the service on this machine
  npm run send -- --event failed --shape event  a failed one, in the other shape
  npm run send -- --source hamsa                the end of a call, as Hamsa sends it
  npm run send -- --count 5000 --rate 500       ten seconds of load

Exit code 0: every answer was 200 (401 with --bad-signature), 1: not so, 2: wrong options or no secret.
`

/** Adds `send`, which signs sample webhooks and posts them to a service as the provider would. */
export function addSendCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('send')
    .description('sign sample webhooks and post them, as the provider would')
  for (const option of sendOptions()) command.addOption(option)
  command.addHelpText('after', HELP)
  command.action(async (options: SendOptions) => {
    try {
      await send(options, context)
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error
      command.error(`error: ${error.message}`, { exitCode: USED_WRONGLY })
    }
  })
}

async function send(
  options: SendOptions,
  { environment, write, setExitCode }: CommandContext,
): Promise<void> {
  const { url, path, single, secretOrigin, requests, webhooks } = planSend(options, environment)
  const { rate } = options
  const startedAt = performance.now()
  const progress = startProgress(requests)
  const outcomes = await postWebhooks({
    url,
    webhooks,
    concurrency:
      options.concurrency ?? (rate === undefined ? DEFAULT_CONCURRENCY : DEFAULT_CONCURRENCY_WITH_RATE),
    ratePerSecond: rate,
    onOutcome: progress.advance,
  })
  progress.stop()
  const run: SendRun = {
    url: url.href,
    path,
    single,
    expectedStatus: options.badSignature ? 401 : 200,
    secretOrigin,
    outcomes,
    seconds: (performance.now() - startedAt) / 1000,
  }
  const summary = summarise(run)
  if (options.json) write(`${JSON.stringify(summary)}\n`)
  else if (!isUnreachable(outcomes)) write(describeSummary(summary))
  for (const text of explainFailures(run)) process.stderr.write(`${text}\n`)
  if (!summary.ok) setExitCode(FOUND_SOMETHING_WRONG)
}
