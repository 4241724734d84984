import { isIP } from 'node:net'
import bytes from 'bytes'
import ms from 'ms'
import { z } from 'zod'
import { EVENT_TYPES } from './sources/sources.ts'

/** What the values of settings may be: each a zod schema from the text of a variable to what the service uses. */

const MAX_TIMER_MS = 2 ** 31 - 1

interface TimeLimits {
  readonly minMs?: number
  readonly maxMs?: number
}

/** A span of time with its unit ("500ms", "4s", "30d"), as milliseconds. */
export function time({ minMs = 1, maxMs = MAX_TIMER_MS }: TimeLimits, example: string) {
  const range = `from ${exactTime(minMs)} to ${exactTime(maxMs)}`
  const error = `must be a time with a unit, like ${example}, ${range}`
  return z.string({ error }).transform((text, context) => {
    const isTime = /^\d+(\.\d+)?\s*(ms|s|m|h|d)$/i.test(text)
    // `ms` gives nothing for texts of over 100 characters, which is in no range.
    const milliseconds = isTime ? ms(text as ms.StringValue) : Number.NaN
    if (milliseconds >= minMs && milliseconds <= maxMs) return Math.round(milliseconds)
    context.addIssue({ code: 'custom', message: error })
    return z.NEVER
  })
}

/** The same with a default. */
export function duration(fallback: ms.StringValue, limits: TimeLimits = {}) {
  return time(limits, fallback).prefault(fallback)
}

/** `ms` rounds what it formats. */
function exactTime(milliseconds: number): string {
  const short = ms(milliseconds)
  return ms(short as ms.StringValue) === milliseconds ? short : `${milliseconds}ms`
}

/** A size with or without its unit ("10mb"), as bytes. */
export function byteSize(fallback: string, { min, max }: { min: number; max: number }) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const size = /^\d+(\.\d+)?\s*(b|kb|mb|gb)?$/i.test(text) ? bytes.parse(text) : null
      if (size !== null && size >= min && size <= max) return size
      const message = `must be a size, like ${fallback}, from ${bytes.format(min)} to ${bytes.format(max)}`
      context.addIssue({ code: 'custom', message })
      return z.NEVER
    })
}

export function wholeNumber(fallback: number, { min, max }: { min: number; max: number }) {
  return z
    .string()
    .default(String(fallback))
    .transform((text, context) => {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
      if (value >= min && value <= max) return value
      context.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}` })
      return z.NEVER
    })
}

/** 0 stands for any free one. */
export const port = (fallback: number) => wholeNumber(fallback, { min: 0, max: 65_535 })

/** Without slashes at its end. */
export const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' })
  .transform((url) => url.replace(/\/+$/, ''))

/** Values with commas between; an empty text holds none. */
export function list<Item>(item: z.ZodType<Item, string>) {
  return z.string().transform((text, context) => {
    const parts = text.split(',').map((part) => part.trim())
    const items = parts.length === 1 && parts[0] === '' ? [] : parts.map((part) => item.safeParse(part))
    const problem = items.find(({ success }) => !success)?.error?.issues[0]?.message
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    return items.flatMap(({ data }) => (data === undefined ? [] : [data]))
  })
}

/** The name of a host, an address or a network. */
export const privateHost = z
  .string()
  .toLowerCase()
  .refine((text) => isNetwork(text) || /^(?!\d+(\.\d+)*$)[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(text), {
    error: 'must be a list of host names, addresses and networks, like 127.0.0.1, 10.0.0.0/8, crm.internal',
  })

/** Names of fields with dots between, from the outermost one. */
export const resultPath = z
  .string()
  .regex(/^[^\s.]+(\.[^\s.]+)*$/, { error: 'must be a list of paths, like compliance, quality.alerts' })

export const eventType = z.string().transform((text, context) => {
  const type = EVENT_TYPES.find((known) => known === text)
  if (type !== undefined) return type
  context.addIssue({ code: 'custom', message: `must be a list of event types, of ${EVENT_TYPES.join(', ')}` })
  return z.NEVER
})

export const redisUrl = z
  .string()
  .refine((url) => url === 'embedded' || url.startsWith('unix:///') || isRedisAddress(url), {
    error: 'must be an address with redis:// or rediss://, a path with unix://, or the word embedded',
  })

function isRedisAddress(text: string): boolean {
  if (!/^rediss?:\/\/./.test(text) || !URL.canParse(text) || /\s/.test(text)) return false
  const { username, password } = new URL(text)
  try {
    // As ioredis will: a password with a bare % must be written %25.
    return [username, password].every((part) => decodeURIComponent(part) !== undefined)
  } catch {
    return false
  }
}

/** A number of proxies, or a list of addresses and networks. */
export const trustProxy = z.string().transform((text, context) => {
  if (/^\d{1,2}$/.test(text)) return Number(text)
  const networks = text.split(',').map((network) => network.trim())
  if (networks.every(isNetwork)) return networks
  context.addIssue({
    code: 'custom',
    message: 'must be a number of proxies or a list of addresses and networks',
  })
  return z.NEVER
})

/** An address with the number of leading bits that count, or without. */
function isNetwork(text: string): boolean {
  const [address = '', bits, more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more !== undefined) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}
