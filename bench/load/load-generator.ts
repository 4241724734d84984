import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Belongings } from '../../src/drill/belongings.ts'
import { BenchError } from '../bench-error.ts'
import type { BodySize } from './bodies.ts'
import type { GeneratorMessage, GeneratorTask, LoadResult, LoadTask } from './messages.ts'

const PROCESS = new URL('./generator-process.ts', import.meta.url)

/** The process that makes the load, as the rest of the bench sees it: one task at a time. */
export class LoadGenerator {
  readonly #child: ChildProcess
  readonly #signal: AbortSignal
  readonly #prepared = new Map<BodySize, number>()

  constructor(belongings: Belongings, signal: AbortSignal) {
    this.#signal = signal
    this.#child = fork(PROCESS, { detached: true, execArgv: [] })
    if (this.#child.pid !== undefined) belongings.addGroup(this.#child.pid)
  }

  /** Makes sure that so many requests of this size are signed. */
  async prepare(size: BodySize, count: number): Promise<void> {
    if ((this.#prepared.get(size) ?? 0) >= count) return
    await this.#ask({ kind: 'prepare', size, count })
    this.#prepared.set(size, count)
  }

  /** Sends requests that were prepared, and resolves with what came of them. */
  async load(task: LoadTask): Promise<LoadResult> {
    const message = await this.#ask({ kind: 'load', ...task })
    if (message.kind !== 'loaded') throw new BenchError('The load generator answered something else.')
    return message.result
  }

  async #ask(task: GeneratorTask): Promise<GeneratorMessage> {
    const over = new AbortController()
    const signal = AbortSignal.any([this.#signal, over.signal])
    const ended = once(this.#child, 'exit', { signal }).then(() => {
      throw new BenchError('The load generator has ended.')
    })
    this.#child.send(task)
    try {
      const [message] = (await Promise.race([once(this.#child, 'message', { signal }), ended])) as [
        GeneratorMessage,
      ]
      return message
    } catch (error) {
      this.#signal.throwIfAborted()
      throw error
    } finally {
      ended.catch(() => {})
      over.abort()
    }
  }
}
