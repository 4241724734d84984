import { readdirSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Config } from '../config.ts'
import { errorCode, StartError } from '../errors.ts'
import type { Handler } from './define-handler.ts'
import { readBuiltinHandler, readOwnHandler, type LoadedHandler, type ReadHandler } from './read-handler.ts'

const HANDLER_FILE = /^(?![_.]).+\.(ts|js|mjs)$/
const NO_HANDLER_FILE = /\.(d\.ts|test\.[a-z]+)$/

/**
 * The given built-in handlers and those of the folder, in the order of their files.
 * @throws StartError that names every file that does not load, holds no handler, or repeats a name
 */
export async function loadHandlers(
  dir: string,
  defaults: Config['handlerDefaults'],
  builtin: readonly Handler[],
): Promise<LoadedHandler[]> {
  resolveOwnPackage()
  const problems: string[] = []
  const handlers = builtin.map((handler) => readBuiltinHandler(handler, defaults))
  const fileOf = new Map<string, string>()
  for (const file of listHandlerFiles(dir)) {
    const path = join(dir, file)
    const loaded = await loadFile(path, defaults)
    if ('problem' in loaded) {
      problems.push(`${path}: ${loaded.problem}`)
      continue
    }
    const { name } = loaded.handler
    const first = fileOf.get(name)
    if (first === undefined) {
      fileOf.set(name, path)
      handlers.push(loaded.handler)
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

async function loadFile(path: string, defaults: Config['handlerDefaults']): Promise<ReadHandler> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown }
    return readOwnHandler(module.default, defaults)
  } catch (error) {
    return { problem: explainImportError(error) }
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
