import { InvalidArgumentError } from 'commander'
import ms, { type StringValue } from 'ms'

/** One in 17 minutes; an interval of more than 24 days would overflow the timer, which then fires at once. */
const MIN_RATE = 0.001
const MAX_RATE = 100_000
const AGO = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h|d|w)$/i
const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/i

/** Reads a whole number in a range. */
export function wholeNumber(min: number, max: number) {
  return (value: string): number => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** Reads how many a second. */
export function rate(value: string): number {
  const number = /^\d{1,9}(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (number >= MIN_RATE && number <= MAX_RATE) return number
  throw new InvalidArgumentError(`It must be a number from ${MIN_RATE} to ${MAX_RATE}.`)
}

/** Refuses the empty text, which a variable that is not set leaves behind in a script. */
export function text(value: string): string {
  if (value !== '') return value
  throw new InvalidArgumentError('It must not be empty.')
}

/** Reads a moment, as Unix milliseconds, from how long ago it was or from its date, in UTC unless it says otherwise. */
export function moment(value: string): number {
  if (AGO.test(value)) return Date.now() - ms(value as StringValue)
  // Without a zone the language takes a date for UTC and a time for local.
  const isLocal = /T[^Z+-]*$/i.test(value)
  const at = ISO_DATE.test(value) ? Date.parse(isLocal ? `${value}Z` : value) : Number.NaN
  if (!Number.isNaN(at)) return at
  throw new InvalidArgumentError(
    'It must be how long ago, like 30m, 2h or 1d, or a date like 2026-11-20 or 2026-11-20T14:30Z.',
  )
}
