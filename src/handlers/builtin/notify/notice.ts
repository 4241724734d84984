import type { EventType } from '../../../sources/sources.ts'

/** What messages are about, there being at most one a minute of each: besides these two, each event type that is told. */
export type NoticeKind = EventType | 'analysis.flagged' | 'dead-letter'

/** The ids that a message names; it tells how many there are besides. */
const MAX_IDS = 5
const MAX_REASONS = 100

/** Things of one kind to tell in one message: how many, and what is needed to look them up. */
export interface Notice {
  readonly count: number
  /** When the first of them came. */
  readonly since: Date
  /** The provider's ids of the first events, or the job ids of the first dead letters. */
  readonly ids: readonly string[]
  /** Why, each with how often: words of closed lists and names of fields, nothing that somebody said. */
  readonly reasons: ReadonlyMap<string, number>
}

/** The notice of one thing. */
export function noticeOf(id: string, reasons: readonly string[]): Notice {
  return { count: 1, since: new Date(), ids: [id], reasons: new Map(reasons.map((reason) => [reason, 1])) }
}

/** Both in one. */
export function mergeNotices(first: Notice, second: Notice): Notice {
  const reasons = new Map(first.reasons)
  for (const [reason, count] of second.reasons) {
    const known = reasons.get(reason)
    if (known !== undefined || reasons.size < MAX_REASONS) reasons.set(reason, (known ?? 0) + count)
  }
  return {
    count: first.count + second.count,
    since: first.since < second.since ? first.since : second.since,
    ids: [...first.ids, ...second.ids].slice(0, MAX_IDS),
    reasons,
  }
}
