import type { Command } from 'commander'
import type { DeliveryDetails } from '../inbox/deliveries.ts'
import { deliveryId } from '../inbox/delivery-id.ts'
import { findSource } from '../sources/sources.ts'
import { FOUND_SOMETHING_WRONG, USED_WRONGLY, type CommandContext } from './command-context.ts'
import { typed } from './command-line.ts'
import { jsonOption } from './delivery-options.ts'
import { deliveryObject, describeDelivery } from './describe-delivery.ts'
import { jsonLine } from './escape-text.ts'
import { describeMissing, findDeliveries } from './find-deliveries.ts'
import { reportWrongUse, useDeliveries, type OpenDeliveries } from './open-deliveries.ts'
import { text } from './option-values.ts'

interface ShowOptions {
  readonly body?: true
  readonly json?: true
}

const help = (context: CommandContext) => `
An analysis may have several deliveries, and a call has one for each of its events: each is shown.

Examples:
  ${typed(context, 'deliveries', 'show ID')}
  ${typed(context, 'deliveries', 'show JOB-ID --body', { onlyOutput: true })} > body.json

Exit code 0: shown, 1: there is none, or Redis cannot be used, 2: wrong options, or several where --body needs one.
`

/** Adds `show`, which tells all that is known of a delivery, or writes its body. */
export function addShowCommand(deliveries: Command, context: CommandContext): void {
  const command = deliveries
    .command('show')
    .description('tell all about a delivery, or write its body')
    .argument('<id>', 'analysis or call id, delivery id or job id', text)
    .option('--body', 'write the exact bytes as received, and nothing else')
    .addOption(jsonOption('one JSON object a line, for each delivery').conflicts('body'))
    .addHelpText('after', help(context))
  command.action((id: string, options: ShowOptions) =>
    reportWrongUse(command, () =>
      useDeliveries(context.environment, (open) => show(open, id, options, context)),
    ),
  )
}

async function show(
  open: OpenDeliveries,
  id: string,
  { body, json }: ShowOptions,
  context: CommandContext,
): Promise<void> {
  const { write, setExitCode } = context
  const jobIds = (await findDeliveries(open, [id])).byText.get(id) ?? []
  const details = (await Promise.all(jobIds.map((jobId) => open.deliveries.show(jobId)))).filter(
    (found) => found !== undefined,
  )
  const [only] = details
  if (only === undefined) {
    process.stderr.write(describeMissing(id))
    setExitCode(FOUND_SOMETHING_WRONG)
  } else if (body && details.length > 1) {
    const list = details.map(({ jobId }) => `  ${jobId}\n`).join('')
    process.stderr.write(
      `there are ${details.length} deliveries of this id; name one by its job id:\n${list}`,
    )
    setExitCode(USED_WRONGLY)
  } else if (body) {
    const read = await open.deliveries.body(only.jobId)
    if ('rawBody' in read) write(read.rawBody)
    else {
      process.stderr.write(`its body cannot be read: ${read.problem}\n`)
      setExitCode(FOUND_SOMETHING_WRONG)
    }
  } else {
    for (const [index, found] of details.entries()) {
      const handedId = await handedDeliveryId(open, found)
      if (json) write(jsonLine(deliveryObject(found, handedId)))
      else write(`${index === 0 ? '' : '\n'}${describeDelivery(found, handedId, context)}`)
    }
  }
}

/** The `delivery.id` that handlers are given; `null` when the body names no known outcome. */
async function handedDeliveryId(
  { deliveries }: OpenDeliveries,
  { jobId, metadata }: DeliveryDetails,
): Promise<string | null> {
  const source = findSource(metadata?.source ?? '')
  const read = await deliveries.body(jobId)
  if (source === undefined || metadata === null || !('rawBody' in read)) return null
  const body = source.parse(read.rawBody)
  const identity = body === undefined ? undefined : source.identify(body.value, metadata.sha256)
  return identity === undefined ? null : deliveryId(source.name, identity.id, identity.outcome)
}
