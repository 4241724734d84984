import { z } from 'zod'
import { targetUrlProblem } from './handlers/builtin/http/target-url.ts'
import { EVENT_TYPES, type EventType } from './sources/sources.ts'

/** Where `forward` sends events, as one entry of FORWARD_URLS names it. */
export interface ForwardTarget {
  /** Its handler is `forward-<name>`. */
  readonly name: string
  readonly url: string
  readonly on: readonly EventType[]
}

/** A handler name has 40 characters, 8 of them `forward-`. */
const NAME_CHARACTERS = 32
const TARGET_NAME = /^[a-z0-9-]{1,32}$/
const ENTRY = /^(?:([^=:/?#\s]*)=)?(\S+)(?:\s+(.+))?$/s

/**
 * Comma-separated targets, each `[name=]url[ type[ type...]]`. Problems name an entry by its place, because an address
 * may hold a token.
 */
export const forwardUrls = z.string().transform((text, context) => {
  const targets: ForwardTarget[] = []
  const problem = (message: string) => context.addIssue({ code: 'custom', message })
  for (const [index, entry] of text.split(',').entries()) {
    const parsed = parseTarget(entry.trim())
    if (typeof parsed === 'string') problem(`entry ${index + 1} ${parsed}`)
    else targets.push(parsed)
  }
  const names = targets.map(({ name }) => name)
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name)
    if (first < index) problem(`has one name for two targets; give each its own, like crm=https://...`)
  }
  return targets
})

/** The target, or what is wrong with the entry, in words that hold nothing of it. */
function parseTarget(entry: string): ForwardTarget | string {
  const [, givenName, address = '', types = ''] = ENTRY.exec(entry) ?? []
  const url = URL.parse(address)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return 'must be an address with http:// or https:// (a comma in it is written %2C)'
  }
  const problem = targetUrlProblem(address)
  if (problem !== undefined) return problem
  const name = givenName ?? nameOfHost(url.hostname)
  if (!TARGET_NAME.test(name)) {
    return `needs a name of 1 to ${NAME_CHARACTERS} of a-z, 0-9 and -, like crm=https://...`
  }
  const wanted = new Set(types.split(/\s+/).filter((type) => type !== ''))
  const on = EVENT_TYPES.filter((type) => wanted.size === 0 || wanted.has(type))
  if (wanted.size > 0 && on.length !== wanted.size) {
    return `names an event type that is unknown; known are ${EVENT_TYPES.join(', ')}`
  }
  return { name, url: url.href, on }
}

/** `audit.example` is `audit-example`. */
function nameOfHost(hostname: string): string {
  const name = hostname.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+/g, '')
  return name.slice(0, NAME_CHARACTERS).replaceAll(/-+$/g, '')
}
