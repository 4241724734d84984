import { z } from 'zod'
import type { Config } from '../config.ts'
import { time } from '../setting-types.ts'
import { EVENT_TYPES, type EventType } from '../sources/sources.ts'
import type { Handler } from './define-handler.ts'
import { nearestName } from './nearest-name.ts'

/** Node's timers run no longer than 24 days; a handler has no use for more than one. */
const MAX_TIME_MS = 86_400_000
/** The handlers that come with the service, also while they are off, and what the tools call no handler at all. */
const RESERVED_NAMES = /^(log|postgres|forward|forward-.*|notify|archive|inbox)$/

const handlerTime = time({ maxMs: MAX_TIME_MS }, '30s')
const wholeNumber = z.int({ error: 'must be a whole number' }).min(1, { error: 'must be at least 1' })
const eventType = z.enum(EVENT_TYPES as [EventType, ...EventType[]], {
  error: `must be one of ${EVENT_TYPES.join(', ')}`,
})
/** By reference: it is called as a method of its handler. */
const method = z.custom<(...args: never) => unknown>((value) => typeof value === 'function', {
  error: 'must be a function',
})

const handlerSchema = z.looseObject({
  name: z
    .string({ error: 'must be a text' })
    .regex(/^[a-z0-9-]{1,40}$/, { error: 'must be 1 to 40 of a-z, 0-9 and -' }),
  on: z
    .array(eventType, { error: 'must be a list of event types' })
    .min(1, { error: 'must name an event type' }),
  handle: method,
  timeout: handlerTime.optional(),
  backoff: handlerTime.optional(),
  concurrency: wholeNumber.optional(),
  attempts: wholeNumber.optional(),
  breaker: z
    .strictObject(
      { failures: wholeNumber, openFor: handlerTime },
      { error: `must be like { failures: 5, openFor: '30s' }` },
    )
    .optional(),
  livemode: z.boolean({ error: 'must be true or false' }).optional(),
  start: method.optional(),
  stop: method.optional(),
  onDeadLetter: method.optional(),
  forget: method.optional(),
})

/** A handler with every option decided. */
export interface LoadedHandler {
  readonly name: string
  readonly on: ReadonlySet<EventType>
  readonly livemode: boolean | undefined
  readonly timeoutMs: number
  readonly concurrency: number
  readonly attempts: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
  readonly breaker: { readonly failures: number; readonly openForMs: number } | undefined
  readonly handle: Handler['handle']
  readonly start: Handler['start'] | undefined
  readonly stop: Handler['stop'] | undefined
  readonly onDeadLetter: Handler['onDeadLetter'] | undefined
  readonly forget: Handler['forget'] | undefined
}

export type ReadHandler = { readonly handler: LoadedHandler } | { readonly problem: string }

/** Checks what a file of a user exports, and decides the options that it leaves open. */
export function readOwnHandler(exported: unknown, defaults: Config['handlerDefaults']): ReadHandler {
  if (typeof exported !== 'object' || exported === null) {
    return { problem: 'has no handler as its default export; write `export default defineHandler({ ... })`' }
  }
  const parsed = handlerSchema.safeParse(exported)
  const issues = parsed.error?.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`) ?? []
  const problems = [...issues, ...nameProblems(parsed.data?.name), ...unknownOptions(exported)]
  return parsed.success && problems.length === 0
    ? { handler: decideOptions(exported as Handler, parsed.data, defaults) }
    : { problem: problems.join('; ') }
}

/** The same for a handler that comes with the service. */
export function readBuiltinHandler(handler: Handler, defaults: Config['handlerDefaults']): LoadedHandler {
  return decideOptions(handler, handlerSchema.parse(handler), defaults)
}

function nameProblems(name: string | undefined): string[] {
  if (name === undefined || !RESERVED_NAMES.test(name)) return []
  return [`the name ${name} is reserved for the service itself; choose another`]
}

/** A class may well have fields of its own; in a plain object what nobody reads is a mistake. */
function unknownOptions(exported: object): string[] {
  if (Object.getPrototypeOf(exported) !== Object.prototype) return []
  const known = Object.keys(handlerSchema.shape)
  const unknown = Object.keys(exported).filter((option) => !known.includes(option))
  return unknown.map((option) => {
    const nearest = nearestName(option, known)
    const cure = nearest === undefined ? `known are ${known.join(', ')}` : `did you mean ${nearest}?`
    return `${option} is no option of a handler, probably a typing error; ${cure}`
  })
}

function decideOptions(
  handler: Handler,
  options: z.output<typeof handlerSchema>,
  defaults: Config['handlerDefaults'],
): LoadedHandler {
  const { breaker } = options
  return {
    name: options.name,
    on: new Set(options.on),
    livemode: options.livemode,
    timeoutMs: options.timeout ?? defaults.timeoutMs,
    concurrency: options.concurrency ?? defaults.concurrency,
    attempts: options.attempts ?? defaults.attempts,
    backoffMs: options.backoff ?? defaults.backoffMs,
    backoffMaxMs: Math.max(defaults.backoffMaxMs, options.backoff ?? 0),
    breaker: breaker && { failures: breaker.failures, openForMs: breaker.openFor },
    // Called as methods, so that a handler written as a class instance keeps its `this`.
    handle: (event, context) => handler.handle(event, context),
    start: handler.start && ((context) => handler.start?.(context)),
    stop: handler.stop && (() => handler.stop?.()),
    onDeadLetter: handler.onDeadLetter && ((deadLetter) => handler.onDeadLetter?.(deadLetter)),
    forget: handler.forget && (async (id) => (await handler.forget?.(id)) ?? 0),
  }
}
