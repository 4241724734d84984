import type { Notice, NoticeKind } from './notice.ts'

const SHOWN_REASONS = 5
const ID_CHARACTERS = 64
/** Control characters, what turns the direction of a line or breaks it, and what ends a code span. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}`]/gu

interface Subject {
  readonly one: string
  readonly many: string
}

/** How one thing of a kind is announced, and many; other events by their type. */
const SUBJECTS: Readonly<Partial<Record<NoticeKind, Subject>>> = {
  'analysis.failed': { one: 'Analysis failed', many: 'analyses failed' },
  'analysis.flagged': { one: 'Compliance flags in the analysis', many: 'analyses with compliance flags' },
  'dead-letter': { one: 'New dead letter', many: 'new dead letters' },
}

/** The message for people, in one line. */
export function formatText(kind: NoticeKind, notice: Notice): string {
  const { count, since, ids } = notice
  const { one, many } = SUBJECTS[kind] ?? { one: `Event ${kind}`, many: `events ${kind}` }
  const subject = count === 1 ? one : `${count} ${many} since ${since.toISOString().slice(11, 19)} UTC`
  const shown = ids.map((id) => `\`${printable(id)}\``)
  const named = count > ids.length ? `${shown.join(', ')} and ${count - ids.length} more` : shown.join(', ')
  const why = formatReasons(notice)
  return `${subject}: ${named}${why === '' ? '' : ` (${why})`}`
}

function formatReasons({ count, reasons }: Notice): string {
  const mostFrequent = [...reasons].toSorted(([, one], [, other]) => other - one)
  const shown = mostFrequent
    .slice(0, SHOWN_REASONS)
    .map(([reason, times]) => (count === 1 ? reason : `${reason}: ${times}`))
  const left = mostFrequent.length - shown.length
  return [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join(', ')
}

/** An id of the provider may be any text, and as long as a body. */
function printable(id: string): string {
  const characters = Array.from(id.slice(0, ID_CHARACTERS * 2).replaceAll(UNPRINTABLE, '\u{fffd}'))
  return characters.length > ID_CHARACTERS
    ? `${characters.slice(0, ID_CHARACTERS).join('')}…`
    : characters.join('')
}

/** The body of a message to Slack, which gives three characters a meaning. */
export function formatForSlack(kind: NoticeKind, notice: Notice, adminUrl: string | undefined): object {
  const link = adminUrl === undefined ? '' : `\n<${escapeForSlack(adminUrl)}>`
  return { text: escapeForSlack(formatText(kind, notice)) + link }
}

function escapeForSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** The body of a message to any other service: the text, which many show as it is, and what it is made of. */
export function formatForAny(kind: NoticeKind, notice: Notice, adminUrl: string | undefined): object {
  const { count, since, ids, reasons } = notice
  const text = formatText(kind, notice) + (adminUrl === undefined ? '' : `\n${adminUrl}`)
  return {
    text,
    kind,
    count,
    since: since.toISOString(),
    ids: ids.map(printable),
    reasons: Object.fromEntries(reasons),
    ...(adminUrl !== undefined && { adminUrl }),
  }
}
