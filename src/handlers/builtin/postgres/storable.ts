import { createHash } from 'node:crypto'

/** PostgreSQL's own limit lies at some thousands, depending on how it was started. */
const MAX_DEPTH = 100
const TOO_DEEP = '(nested too deep to be stored)'

/** Four bytes each at most, and an index entry holds 2,700. */
const MAX_ID_CHARACTERS = 255
const SHOWN_ID_CHARACTERS = 100

/**
 * A text as PostgreSQL can hold it: U+0000 becomes the symbol for it, half a surrogate pair the replacement character.
 */
export function storableText<Text extends string | null>(text: Text): Text | string {
  return text === null ? text : text.toWellFormed().replaceAll('\u0000', '\u2400')
}

/** The same for JSON, as text: in keys too, and a number that JavaScript reads as infinite becomes a text. */
export function storableJson(value: unknown): string {
  return JSON.stringify(storableValue(value, 0))
}

function storableValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return storableText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth === MAX_DEPTH) return TOO_DEEP
  if (Array.isArray(value)) return value.map((item) => storableValue(item, depth + 1))
  // From entries, so that `__proto__` is a key like any other.
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storableText(key), storableValue(item, depth + 1)]),
  )
}

/**
 * An id as it stands in its column. Two ids never share one: what cannot be held as it is, or is too long for an index,
 * is shown cut and named by its digest.
 */
export function storableId(id: string): string {
  const text = storableText(id)
  if (text === id && id.length <= MAX_ID_CHARACTERS) return id
  const digest = createHash('sha256').update(id, 'utf16le').digest('hex')
  return `${text.slice(0, SHOWN_ID_CHARACTERS).toWellFormed()} (sha256 ${digest})`
}

/** A time that PostgreSQL reads as this service writes it: of the years 1 to 9999, else null. */
export function storableTime(time: string | null): string | null {
  return time !== null && /^(?!0000)\d{4}-/.test(time) ? time : null
}
