import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { LoadedHandler } from '../../../src/handlers/read-handler.ts'
import { tempDir } from '../../support/temp-dir.ts'

export type LoadOutcome =
  | {
      readonly builtIn: string | undefined
      /** Those of the folder; `ended` tells how the handler ended when it was called. */
      readonly handlers: (Omit<LoadedHandler, 'handle' | 'on'> & { on: string[]; ended: string })[]
    }
  | { readonly error: { readonly code: string; readonly message: string } }

const PROGRAM = fileURLToPath(new URL('./load-handlers-process.ts', import.meta.url))
const run = promisify(execFile)

/** A folder with these files, outside the project. */
export function handlersDir(files: Record<string, string>): string {
  const dir = tempDir()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), text)
  }
  return dir
}

/** The handlers of a folder, each having been called once. */
export async function loadFrom(dir: string) {
  const outcome = await load(dir)
  if ('error' in outcome) throw new Error(outcome.error.message)
  return outcome
}

/** Why the handlers of a folder cannot be used. */
export async function refusalOf(dir: string) {
  const outcome = await load(dir)
  if (!('error' in outcome)) throw new Error(`loaded ${JSON.stringify(outcome.handlers)}`)
  return outcome.error
}

/** One problem for each file: the text behind its name. */
export async function problemsByFile(dir: string): Promise<Record<string, string>> {
  const { message } = await refusalOf(dir)
  const [, ...problems] = message.split('\n  - ')
  return Object.fromEntries(
    problems.map((problem) => {
      const [path, ...text] = problem.split(': ')
      return [path?.slice(dir.length + 1), text.join(': ')]
    }),
  )
}

/** The text of a handler file. */
export function handlerText(name: string, more = ''): string {
  return `export default { name: '${name}', on: ['analysis.completed'], handle: () => '${name}', ${more} }\n`
}

async function load(dir: string): Promise<LoadOutcome> {
  const { stdout } = await run(process.execPath, [PROGRAM, dir])
  return JSON.parse(stdout) as LoadOutcome
}
