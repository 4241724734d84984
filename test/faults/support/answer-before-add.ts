/** The service with the mistake that a drill is there to find: it answers first and stores a moment later. */
import { Inbox } from '../../../src/inbox/inbox.ts'

const STORED_AFTER_MS = 50
const store = Reflect.get(Inbox.prototype, 'accept')

Inbox.prototype.accept = async function answerAtOnce(webhook, withinMs) {
  setTimeout(() => {
    store.call(this, webhook, withinMs).catch(() => {})
  }, STORED_AFTER_MS)
  return 'accepted'
}

await import('../../../src/main.ts')
