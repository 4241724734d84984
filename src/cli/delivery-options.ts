import { InvalidArgumentError, Option } from 'commander'
import { FAILURE_REASONS, type FailureReason } from '../inbox/dead-letters.ts'
import { EVENT_TYPES } from '../sources/sources.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import { moment, text } from './option-values.ts'

/** What the tools call the place of a delivery that no handler was given. */
export const INBOX = 'inbox'

/** Options that pick deliveries, as `deliveries` and `replay` have them in common. */
export interface PickOptions {
  readonly reason?: FailureReason
  readonly event?: string
  readonly since?: number
  readonly until?: number
}

export function pickOptions(): Option[] {
  return [
    new Option('--reason <reason>', 'only dead letters that failed so').choices(FAILURE_REASONS),
    new Option('--event <type>', 'only deliveries of this event').choices(EVENT_TYPES),
    new Option(
      '--since <when>',
      'not before: how long ago (30m, 2h, 1d) or a date (2026-11-20T14:30Z)',
    ).argParser(moment),
    new Option('--until <when>', 'not after, in the same forms').argParser(moment),
  ]
}

export function jsonOption(what: string): Option {
  return new Option('--json', `write ${what}`)
}

/** Handlers by name; may be given several times. */
export function handlersOption(what: string): Option {
  return new Option('--handler <name>', what).argParser((name, before: readonly string[] | undefined) => [
    ...(before ?? []),
    text(name),
  ])
}

/** @throws InvalidArgumentError when the one comes after the other */
export function checkSpan({ since, until }: PickOptions): void {
  if (since !== undefined && until !== undefined && since > until) {
    throw new InvalidArgumentError('--since is later than --until.')
  }
}

/** @throws InvalidArgumentError that names the known handlers when one of these is none of them */
export async function checkHandlers(
  { deliveries }: OpenDeliveries,
  names: readonly string[],
  { inboxToo = false } = {},
): Promise<void> {
  const known = [...(await deliveries.handlers()), ...(inboxToo ? [INBOX] : [])]
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  const list = known.length === 0 ? 'None has run here yet.' : `Known are: ${known.join(', ')}.`
  throw new InvalidArgumentError(`There is no handler ${JSON.stringify(unknown)}. ${list}`)
}
