import { cutForLog } from '../../log.ts'
import { EVENT_TYPES, sourceOf } from '../../sources/sources.ts'
import { defineHandler } from '../define-handler.ts'

/** One line per event: ids, type and plain numbers. What people said, and about whom, stays out of logs. */
export const log = defineHandler({
  name: 'log',
  on: EVENT_TYPES,
  handle(event, context) {
    const facts = Object.entries(sourceOf(event).logFacts(event))
    // Senders choose how long a text is.
    const short = facts.map(([name, fact]) => [name, typeof fact === 'string' ? cutForLog(fact) : fact])
    const line = { ...(Object.fromEntries(short) as object), bytes: context.delivery.bytes }
    context.log.info(line, event.type.replace('.', ' '))
  },
})
