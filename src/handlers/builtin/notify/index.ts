import type { Logger } from 'pino'
import { eventId, type EventType, type WebhookEvent } from '../../../sources/sources.ts'
import { defineHandler, type Delivery, type Handler } from '../../define-handler.ts'
import { HttpClient } from '../http/post.ts'
import { describeFlag } from './describe-flag.ts'
import { findFlags } from './find-flags.ts'
import { formatForAny, formatForSlack } from './format-message.ts'
import { noticeOf, type Notice, type NoticeKind } from './notice.ts'
import { Notices } from './notices.ts'
import { sendMessage, type Messenger } from './send-message.ts'

const NAME = 'notify'
const EVERY_MS = 60_000
const STOP_WITHIN_MS = 4000
/** Messages are few, whatever they are about. */
const MAX_SOCKETS = 4
/** A word that the provider chose; anything longer may be about the call. */
const PLAIN_CODE = /^[\w.-]{1,60}$/
/** An audio address that was signed anew is enough to cause one. */
const UNREMARKABLE_REASON = 'conflict'

export interface NotifyOptions {
  /** Of Slack's incoming webhook; this or `url` is given. */
  readonly slackUrl: (() => string) | undefined
  readonly url: (() => string) | undefined
  /** Paths below `results` at which flags are looked for. */
  readonly flagPaths: readonly string[]
  /** Of each event of these types something is told. */
  readonly eventTypes: readonly EventType[]
  /** Ends each message. */
  readonly adminUrl: string | undefined
}

/** Tells a team of events, of compliance flags and of dead letters, in at most one message a minute of each kind. */
export function createNotifyHandler(options: NotifyOptions): Handler {
  const { slackUrl, url, eventTypes, adminUrl } = options
  const messenger = messengerOf(slackUrl, url)
  const format = slackUrl === undefined ? formatForAny : formatForSlack
  // The operator named the address, which may well be one of the own network.
  const client = new HttpClient({ maxSockets: MAX_SOCKETS, allowPrivate: 'any' })
  let log: Logger | undefined
  const noticesOf = (kind: NoticeKind) =>
    new Notices({
      everyMs: EVERY_MS,
      send: (notice, signal) => sendMessage(client, messenger, format(kind, notice, adminUrl), signal),
      onProblem: (error) =>
        log?.warn({ err: error, kind }, 'collected notices not sent; they are tried again'),
    })
  const deadLetters = noticesOf('dead-letter')
  const kinds: readonly NoticeKind[] = ['analysis.flagged', ...eventTypes]
  const ofEvents = new Map(kinds.map((kind) => [kind, noticesOf(kind)]))

  return defineHandler({
    name: NAME,
    // Completed analyses may have flags.
    on: [...new Set<EventType>(['analysis.completed', ...eventTypes])],
    breaker: { failures: 5, openFor: '30s' },
    start(context) {
      log = context.log
    },
    async handle(event, { delivery, signal }) {
      const told = describeEvent(event, delivery, options)
      if (told !== undefined) await ofEvents.get(told.kind)?.tell(told.notice, signal)
    },
    onDeadLetter({ handler, reason, jobId }) {
      // One of its own would cause the next.
      if (handler === NAME || reason === UNREMARKABLE_REASON) return
      deadLetters.collect(noticeOf(jobId, [`${handler} ${reason}`]))
    },
    async stop() {
      const signal = AbortSignal.timeout(STOP_WITHIN_MS)
      const left = await Promise.all([deadLetters, ...ofEvents.values()].map((each) => each.stop(signal)))
      const lost = left.reduce((sum, count) => sum + count, 0)
      if (lost > 0) log?.warn({ lost }, 'the last notices could not be sent')
      client.close()
    },
  })
}

function messengerOf(slackUrl: NotifyOptions['slackUrl'], url: NotifyOptions['url']): Messenger {
  if (slackUrl !== undefined) return { setting: 'SLACK_WEBHOOK_URL', url: slackUrl }
  if (url !== undefined) return { setting: 'NOTIFY_URL', url }
  throw new TypeError('notify needs an address')
}

/** What is worth telling of an event; `undefined` when nothing is. */
function describeEvent(
  event: WebhookEvent,
  { sha256 }: Delivery,
  { flagPaths, eventTypes }: Pick<NotifyOptions, 'flagPaths' | 'eventTypes'>,
): { kind: NoticeKind; notice: Notice } | undefined {
  const id = eventId(event, sha256)
  const flags = event.type === 'analysis.completed' ? findFlags(event.results, flagPaths) : []
  if (flags.length > 0) return { kind: 'analysis.flagged', notice: noticeOf(id, flags.map(describeFlag)) }
  if (!eventTypes.includes(event.type)) return undefined
  const code = event.type === 'analysis.failed' ? event.error.code : null
  const reasons = code !== null && PLAIN_CODE.test(code) ? [code] : []
  return { kind: event.type, notice: noticeOf(id, reasons) }
}
