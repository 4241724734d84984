import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { startInGroup, type GroupSetup } from './start-in-group.ts'
import { DrillError } from './wait-until.ts'

/** A process in a group of its own, which Ctrl-C in the terminal does not reach, for the drill to kill and freeze. */
export class DrilledProcess {
  readonly pid: number
  readonly #setup: GroupSetup
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #hasExited = false

  /** @throws DrillError when there is no such program */
  static async start(setup: GroupSetup): Promise<DrilledProcess> {
    const { child, pid } = await startInGroup(setup, (text) => new DrillError(text))
    return new DrilledProcess(setup, child, pid)
  }

  private constructor(setup: GroupSetup, child: ChildProcess, pid: number) {
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
