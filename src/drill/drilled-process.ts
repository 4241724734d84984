import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { errorCode } from '../errors.ts'
import type { Belongings } from './belongings.ts'
import { DrillError } from './wait-until.ts'

export interface ProcessSetup {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly folder: string
  readonly environment: NodeJS.ProcessEnv
  /** Where all goes that it writes. */
  readonly logFile: string
  readonly belongings: Belongings
}

/** A process in a group of its own, which Ctrl-C in the terminal does not reach, for the drill to kill and freeze. */
export class DrilledProcess {
  readonly pid: number
  readonly #setup: ProcessSetup
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #hasExited = false

  /** @throws DrillError when there is no such program */
  static async start(setup: ProcessSetup): Promise<DrilledProcess> {
    const { name, command, args, folder, environment, logFile, belongings } = setup
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
      reject(new DrillError(`${name} cannot be started (${errorCode(error)}); is ${command} installed?`)),
    )
    await promise
    const { pid = 0 } = child
    belongings.addGroup(pid)
    return new DrilledProcess(setup, child, pid)
  }

  private constructor(setup: ProcessSetup, child: ChildProcess, pid: number) {
    this.#setup = setup
    this.#child = child
    this.pid = pid
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#exited = promise
    child.once('exit', () => {
      this.#hasExited = true
      resolve()
    })
  }

  /** All it has written so far. */
  get output(): string {
    return readFileSync(this.#setup.logFile, 'utf8')
  }

  /** @throws DrillError with its last words when it has ended though nobody ended it */
  expectAlive(): void {
    if (!this.#hasExited) return
    const { exitCode, signalCode } = this.#child
    const lastLines = this.output.trimEnd().split('\n').slice(-5).join('\n')
    throw new DrillError(`${this.#setup.name} ended by itself (${signalCode ?? exitCode}):\n${lastLines}`)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }
}
