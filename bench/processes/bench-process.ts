import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isGroupAlive, type Belongings } from '../../src/drill/belongings.ts'
import { startInGroup } from '../../src/drill/start-in-group.ts'
import { BenchError } from '../bench-error.ts'
import { waitFor } from '../wait-for.ts'

const GONE_WITHIN_MS = 5000

/** Where something is started, and what ends it with the bench. */
export interface Site {
  /** For its files; empty at first. */
  readonly folder: string
  readonly belongings: Belongings
  /** Of the bench: aborted, it ends every waiting. */
  readonly signal: AbortSignal
  readonly environment: NodeJS.ProcessEnv
}

export interface ProcessSetup {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Where it runs; by default in the folder of the site. */
  readonly workingFolder?: string
  /** Settings besides the environment of the site. */
  readonly settings?: NodeJS.ProcessEnv
}

/** A server and its children, in a process group of their own; what they log goes to a file. */
export class BenchProcess {
  readonly name: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #site: Site
  readonly #logFile: string

  /** @throws BenchError when there is no such program */
  static async start(site: Site, setup: ProcessSetup): Promise<BenchProcess> {
    const { name, command, args, workingFolder = site.folder, settings } = setup
    const logFile = join(site.folder, `${name.replaceAll(' ', '-')}.log`)
    const { child, pid } = await startInGroup(
      {
        name,
        command,
        args,
        folder: workingFolder,
        environment: { ...site.environment, ...settings },
        logFile,
        belongings: site.belongings,
      },
      (text) => new BenchError(text),
    )
    return new BenchProcess(name, pid, child, site, logFile)
  }

  private constructor(name: string, pid: number, child: ChildProcess, site: Site, logFile: string) {
    this.name = name
    this.pid = pid
    this.#child = child
    this.#site = site
    this.#logFile = logFile
  }

  /** @throws BenchError with its last words when it has ended though nobody ended it */
  expectAlive(): void {
    const { exitCode, signalCode } = this.#child
    if (exitCode === null && signalCode === null) return
    const lastLines = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n')
    throw new BenchError(`${this.name} ended by itself (${signalCode ?? exitCode}):\n${lastLines}`)
  }

  /** Asks it to end and waits until it has. */
  async end(withinMs: number): Promise<void> {
    const { signal } = this.#site
    this.#child.kill('SIGTERM')
    const hasEnded = () => this.#child.exitCode !== null || this.#child.signalCode !== null
    await waitFor(`the end of ${this.name}`, hasEnded, { withinMs, signal })
    await this.kill()
  }

  /** Ends all of its group: what they would still write is of no use to anybody. */
  async kill(): Promise<void> {
    const { belongings, signal } = this.#site
    if (isGroupAlive(this.pid)) process.kill(-this.pid, 'SIGKILL')
    const isGone = () => !isGroupAlive(this.pid)
    await waitFor(`the end of ${this.name}`, isGone, { withinMs: GONE_WITHIN_MS, signal })
    belongings.removeGroup(this.pid)
  }
}
