import { readdirSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { errorCode, StartError } from '../errors.ts'
import { EVENT_TYPES, type EventType } from '../sources/sources.ts'
import { time } from '../setting-types.ts'
import { log } from './builtin/log.ts'
import type { Handler } from './define-handler.ts'

const HANDLER_FILE = /^(?![_.]).+\.(ts|js|mjs)$/
const NO_HANDLER_FILE = /\.(d\.ts|test\.[a-z]+)$/

/** Node's timers run no longer than 24 days; a handler has no use for more than one. */
const MAX_TIME_MS = 86_400_000

const handlerTime = time({ maxMs: MAX_TIME_MS }, '30s')
const wholeNumber = z.int({ error: 'must be a whole number' }).min(1, { error: 'must be at least 1' })
const eventType = z.enum(EVENT_TYPES as [EventType, ...EventType[]], {
  error: `must be one of ${EVENT_TYPES.join(', ')}`,
})

const handlerSchema = z.looseObject({
  name: z
    .string({ error: 'must be a text' })
    .regex(/^[a-z0-9-]{1,40}$/, { error: 'must be 1 to 40 of a-z, 0-9 and -' })
    // The tools call what was not dispatched so.
    .refine((name) => name !== 'inbox', { error: 'must not be inbox; choose another' }),
  on: z
    .array(eventType, { error: 'must be a list of event types' })
    .min(1, { error: 'must name an event type' }),
  handle: z.custom<Handler['handle']>((value) => typeof value === 'function', {
    error: 'must be a function',
  }),
  timeout: handlerTime.optional(),
  backoff: handlerTime.optional(),
  concurrency: wholeNumber.optional(),
  attempts: wholeNumber.optional(),
})

/** A handler with every option decided. */
export interface LoadedHandler {
  readonly name: string
  readonly on: ReadonlySet<EventType>
  readonly handle: Handler['handle']
  readonly timeoutMs: number
  readonly concurrency: number
  readonly attempts: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
}

/**
 * The built-in handlers and those of the folder, in the order of their files.
 * @throws StartError that names every file that does not load, holds no handler, or repeats a name
 */
export async function loadHandlers(
  dir: string,
  defaults: Config['handlerDefaults'],
): Promise<LoadedHandler[]> {
  resolveOwnPackage()
  const problems: string[] = []
  const handlers = [decideOptions(log, handlerSchema.parse(log), defaults)]
  const fileOf = new Map([[log.name, 'the service itself']])
  for (const file of listHandlerFiles(dir)) {
    const path = join(dir, file)
    const loaded = await loadFile(path)
    if ('problem' in loaded) {
      problems.push(`${path}: ${loaded.problem}`)
      continue
    }
    const { name } = loaded.options
    const first = fileOf.get(name)
    if (first === undefined) {
      fileOf.set(name, path)
      handlers.push(decideOptions(loaded.handler, loaded.options, defaults))
    } else problems.push(`${path}: the name ${name} is taken by ${first}; choose another`)
  }
  if (problems.length > 0) {
    throw new StartError('CALLCOV_HANDLERS', `These handlers cannot be used:\n  - ${problems.join('\n  - ')}`)
  }
  return handlers
}

function listHandlerFiles(dir: string): string[] {
  try {
    const files = readdirSync(dir, { withFileTypes: true }).filter((entry) => !entry.isDirectory())
    const names = files.map((entry) => entry.name)
    return names.filter((name) => HANDLER_FILE.test(name) && !NO_HANDLER_FILE.test(name)).toSorted()
  } catch (error) {
    throw new StartError(
      'CALLCOV_HANDLERS',
      `HANDLERS_DIR ${dir} cannot be read (${errorCode(error)}); create the folder or name another.`,
    )
  }
}

type LoadedFile =
  | { readonly handler: Handler; readonly options: z.output<typeof handlerSchema> }
  | { readonly problem: string }

async function loadFile(path: string): Promise<LoadedFile> {
  let exported: unknown
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown }
    exported = module.default
  } catch (error) {
    return { problem: explainImportError(error) }
  }
  if (typeof exported !== 'object' || exported === null) {
    return { problem: 'has no handler as its default export; write `export default defineHandler({ ... })`' }
  }
  const parsed = handlerSchema.safeParse(exported)
  if (parsed.success) return { handler: exported as Handler, options: parsed.data }
  return {
    problem: parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; '),
  }
}

function decideOptions(
  handler: Pick<Handler, 'handle'>,
  options: z.output<typeof handlerSchema>,
  defaults: Config['handlerDefaults'],
): LoadedHandler {
  return {
    name: options.name,
    on: new Set(options.on),
    // Called as a method, so that a handler written as a class instance keeps its `this`.
    handle: (event, context) => handler.handle(event, context),
    timeoutMs: options.timeout ?? defaults.timeoutMs,
    concurrency: options.concurrency ?? defaults.concurrency,
    attempts: options.attempts ?? defaults.attempts,
    backoffMs: options.backoff ?? defaults.backoffMs,
    backoffMaxMs: Math.max(defaults.backoffMaxMs, options.backoff ?? 0),
  }
}

/** Says what to change where the error of Node alone would not. */
function explainImportError(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${typeof error} while loading`
  if (errorCode(error) === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return `${error.message}: Node only strips types, so enums, namespaces and parameter properties do not run; write a union type, a const object or a plain property`
  }
  const missing = /does not provide an export named '(\w+)'/.exec(error.message)?.[1]
  if (missing !== undefined)
    return `${error.message}; if ${missing} is a type, write \`import type { ${missing} }\``
  // Of the handler, or of what it imports; a line of this file would only mislead.
  const places = error.stack?.match(/file:\/\/\S+?:\d+/g) ?? []
  const place = places.find((candidate) => !candidate.startsWith(import.meta.url))
  return `${error.name}: ${error.message}${place === undefined ? '' : ` (${place})`}`
}

let ownPackageResolved = false

/** Lets a handler anywhere on the disk import from the name of this package, which it has not installed. */
function resolveOwnPackage(): void {
  if (ownPackageResolved) return
  ownPackageResolved = true
  const index = new URL('../index.ts', import.meta.url).href
  registerHooks({
    resolve: (specifier, context, nextResolve) =>
      specifier === 'callcov-webhook-receiver'
        ? { url: index, format: 'module-typescript', shortCircuit: true }
        : nextResolve(specifier, context),
  })
}
