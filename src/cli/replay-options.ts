import { InvalidArgumentError, Option } from 'commander'
import { checkSpan, handlersOption, jsonOption, pickOptions, type PickOptions } from './delivery-options.ts'
import { rate } from './option-values.ts'

export interface ReplayOptions extends PickOptions {
  readonly handler?: readonly string[]
  readonly all?: true
  readonly every?: true
  readonly feed?: true
  readonly dryRun?: true
  readonly rate: number
  readonly json?: true
}

/** The options of `replay`, in the order its help shows them. */
export function replayOptions(): Option[] {
  return [
    handlersOption('only this handler; repeatable'),
    new Option('--all', 'with IDs: every handler that had it; with --feed: also what the handler has done'),
    ...pickOptions(),
    new Option('--every', 'every dead letter'),
    new Option('--feed', 'give the handlers every stored delivery that they never had, or gave up'),
    new Option('--dry-run', 'say what would be done and change nothing'),
    new Option('--rate <per-second>', 'at most so many a second').argParser(rate).default(200),
    jsonOption('the summary as one line of JSON'),
  ]
}

/** @throws InvalidArgumentError when they do not say one clear thing */
export function checkReplayOptions(ids: readonly string[], options: ReplayOptions): void {
  const { handler, reason, event, since, until, every, feed, all } = options
  const picked = [reason, event, since, until, every, feed].some((value) => value !== undefined)
  checkSpan(options)
  if (ids.length > 0) {
    if (picked) throw new InvalidArgumentError('With IDs, only --handler or --all says what to replay.')
    if (all && handler) throw new InvalidArgumentError('--all and --handler exclude each other.')
    return
  }
  if (feed) {
    if (handler === undefined) throw new InvalidArgumentError('--feed needs --handler: who is to be fed?')
    if (reason !== undefined)
      throw new InvalidArgumentError('--feed is for all deliveries; leave out --reason.')
    if (since === undefined && until === undefined && !every) {
      throw new InvalidArgumentError('--feed needs --since or --until, or --every for all that is stored.')
    }
    return
  }
  if (all) throw new InvalidArgumentError('--all needs IDs or --feed; --every is for all dead letters.')
  if (!picked && handler === undefined) {
    throw new InvalidArgumentError(
      'Name IDs, or which dead letters: --reason, --handler, --event, --since, --until, or --every for all of them.',
    )
  }
}
