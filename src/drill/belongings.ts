import { rmSync } from 'node:fs'
import { errorCode } from '../errors.ts'

/** What a drill leaves on the machine while it runs: process groups, and a folder unless that is to be kept. */
export interface BelongingsList {
  readonly groups: readonly number[]
  readonly folder: string | undefined
}

/** Keeps the list of them, so that they go with the drill in whatever way it ends. */
export class Belongings {
  readonly #groups = new Set<number>()
  readonly #folder: string | undefined
  #onChange: (list: BelongingsList) => void = () => {}

  constructor(folder: string | undefined) {
    this.#folder = folder
    // Also after an error that nobody caught, and when a second Ctrl-C ends the process on the spot.
    process.once('exit', this.destroy)
  }

  /** Tells each change of the list, and how it is now. */
  set onChange(listener: (list: BelongingsList) => void) {
    this.#onChange = listener
    this.#tell()
  }

  addGroup(pid: number): void {
    this.#groups.add(pid)
    this.#tell()
  }

  removeGroup(pid: number): void {
    this.#groups.delete(pid)
    this.#tell()
  }

  /** Ends and removes all of it, before it returns. */
  readonly destroy = (): void => {
    process.removeListener('exit', this.destroy)
    destroyBelongings(this.#list())
    this.#groups.clear()
  }

  #tell(): void {
    this.#onChange(this.#list())
  }

  #list(): BelongingsList {
    return { groups: [...this.#groups], folder: this.#folder }
  }
}

export function destroyBelongings({ groups, folder }: BelongingsList): void {
  for (const pid of groups) if (isGroupAlive(pid)) signalGroup(pid, 'SIGKILL')
  // A process that is just ending may still write a file.
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** Whether any process of the group is left. */
export function isGroupAlive(pid: number): boolean {
  try {
    return process.kill(-pid, 0)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It has just ended by itself.
  }
}
