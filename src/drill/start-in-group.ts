import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { errorCode } from '../errors.ts'
import type { Belongings } from './belongings.ts'

export interface GroupSetup {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly folder: string
  readonly environment: NodeJS.ProcessEnv
  /** Where all goes that it writes. */
  readonly logFile: string
  readonly belongings: Belongings
}

/**
 * Starts a process in a group of its own, which Ctrl-C in the terminal does not reach and which ends with what it
 * belongs to.
 * @throws what `problem` makes of the text when there is no such program
 */
export async function startInGroup(
  { name, command, args, folder, environment, logFile, belongings }: GroupSetup,
  problem: (text: string) => Error,
): Promise<{ child: ChildProcess; pid: number }> {
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, {
    cwd: folder,
    env: environment,
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.once('spawn', resolve)
  child.once('error', (error) =>
    reject(problem(`${name} cannot be started (${errorCode(error)}); is ${command} installed?`)),
  )
  await promise
  const { pid = 0 } = child
  belongings.addGroup(pid)
  return { child, pid }
}
