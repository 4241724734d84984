import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { untilAborted } from '../until-aborted.ts'
import type { Belongings } from './belongings.ts'
import type { DrillMessage, SenderMessage, SenderTask } from './messages.ts'
import { DrillError } from './wait-until.ts'

export interface SenderClientOptions {
  readonly folder: string
  readonly belongings: Belongings
  readonly environment: NodeJS.ProcessEnv
  /** Told the number of webhooks acknowledged so far. */
  readonly onProgress: (acknowledged: number) => void
}

/** The drill's side of its sender. */
export class SenderClient {
  readonly #child: ChildProcess
  readonly #done = Promise.withResolvers<number>()

  constructor({ folder, belongings, environment, onProgress }: SenderClientOptions) {
    this.#child = fork(fileURLToPath(new URL('./sender-process.ts', import.meta.url)), {
      // In a group of its own, so that it is still there to clean up when the terminal is closed.
      detached: true,
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message: SenderMessage) => {
      if (message.kind === 'progress') onProgress(message.acknowledged)
      else this.#done.resolve(message.lateMs)
    })
    const onEnd = () => this.#done.reject(new DrillError('The sender ended before its ledger was complete.'))
    this.#child.once('exit', onEnd)
    this.#child.once('error', onEnd)
    // Nobody may be waiting yet.
    this.#done.promise.catch(() => {})
    belongings.addGroup(this.#child.pid ?? 0)
    belongings.onChange = (list) => this.#tell({ kind: 'belongings', list })
  }

  start(task: SenderTask): void {
    this.#tell({ kind: 'start', task })
  }

  /** Has everything outstanding sent again, and resolves when the ledger is complete, with how late the sender itself was. */
  async finish(signal: AbortSignal): Promise<number> {
    this.#tell({ kind: 'faults-over' })
    return await untilAborted(this.#done.promise, signal)
  }

  #tell(message: DrillMessage): void {
    if (this.#child.connected) this.#child.send(message)
  }
}
