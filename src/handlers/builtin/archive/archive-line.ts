import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { parseJson } from '../../../sources/source.ts'
import { eventId, type WebhookEvent } from '../../../sources/sources.ts'
import type { Delivery } from '../../define-handler.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20
const BYTE_ORDER_MARK = Buffer.from('\u{feff}')
/** The body is the last field; in a text before it a quote would be escaped. */
const BODY_FIELD = ',"body":'
const KEY_BYTES = 16

/** What an archived line says besides the body; the id comes first, as `forget` finds lines by it. */
interface LineFields {
  readonly id: string
  readonly deliveryId: string
  readonly sha256: string
  readonly receivedAt: string
  readonly source: string
  readonly type: string
  readonly origin: string
  /** Of a body that is no JSON, and is written as a text: what the text is. */
  readonly bodyEncoding?: 'utf8' | 'base64'
}

/** One event as one line of JSON. */
export function formatLine(event: WebhookEvent, delivery: Delivery): Buffer {
  const body = delivery.body()
  const isJson = parseJson(body) !== undefined
  const fields: LineFields = {
    id: eventId(event, delivery.sha256),
    deliveryId: delivery.id,
    sha256: delivery.sha256,
    receivedAt: delivery.receivedAt,
    source: event.source,
    type: event.type,
    origin: delivery.origin,
    ...(!isJson && { bodyEncoding: isUtf8(body) ? 'utf8' : 'base64' }),
  }
  const start = JSON.stringify(fields).slice(0, -1) + BODY_FIELD
  const written = isJson ? onOneLine(body) : Buffer.from(JSON.stringify(body.toString(fields.bodyEncoding)))
  return Buffer.concat([Buffer.from(start), written, Buffer.from('}\n')])
}

/**
 * The text as received, as writing it anew would change large numbers and lose repeated keys; only its line breaks,
 * which JSON allows between tokens alone, become spaces.
 */
function onOneLine(json: Buffer): Buffer {
  const hasMark = json.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
  const text = hasMark ? json.subarray(BYTE_ORDER_MARK.length) : json
  // Most have none, and are searched in no time.
  if (!text.includes(LINE_FEED) && !text.includes(CARRIAGE_RETURN)) return text
  const line = Buffer.from(text)
  for (const [at, byte] of line.entries()) {
    if (byte === LINE_FEED || byte === CARRIAGE_RETURN) line[at] = SPACE
  }
  return line
}

/** Whether an archived line is about this id of the provider. */
export function isLineAbout(line: Buffer, id: string): boolean {
  const start = Buffer.from(`{"id":${JSON.stringify(id)},`)
  return line.subarray(0, start.length).equals(start)
}

/** What is archived once: an outcome with the same body. Another body, replayed after a conflict, is kept too. */
export function archiveKey({ id, sha256 }: Pick<Delivery, 'id' | 'sha256'>): Buffer {
  return createHash('sha256').update(`${id} ${sha256}`).digest().subarray(0, KEY_BYTES)
}

/** The key and time of an archived line; `undefined` for a line that somebody else wrote. */
export function readLineKey(line: Buffer): { key: Buffer; receivedAt: number } | undefined {
  try {
    const fields = JSON.parse(`${line.toString('utf8', 0, line.indexOf(BODY_FIELD))}}`) as Partial<LineFields>
    const { deliveryId, sha256, receivedAt } = fields
    if (deliveryId === undefined || sha256 === undefined || receivedAt === undefined) return undefined
    return { key: archiveKey({ id: deliveryId, sha256 }), receivedAt: Date.parse(receivedAt) || 0 }
  } catch {
    return undefined
  }
}
