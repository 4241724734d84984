import type { DeadLetter } from '../handlers/define-handler.ts'
import type { LoadedHandler } from '../handlers/read-handler.ts'
import type { Logger } from '../log.ts'
import { withinTime } from '../time-limit.ts'

/** What handlers may have besides `handle`: whatever goes wrong in it is logged and harms no delivery. */
export class HandlerHooks {
  readonly #handlers: readonly LoadedHandler[]
  readonly #log: Logger

  constructor(handlers: readonly LoadedHandler[], log: Logger) {
    this.#handlers = handlers
    this.#log = log
  }

  /** Lets each prepare, at once and not waited for: until then its runs fail and are tried again. */
  start(): void {
    for (const handler of this.#handlers) {
      const log = this.#log.child({ handler: handler.name })
      void this.#call(handler, 'start', () => handler.start?.({ log }))
    }
  }

  /** Lets each close what it has opened; resolves when all have, and no later than the time given. */
  async stop(withinMs: number): Promise<void> {
    const stopping = this.#handlers.map(async (handler) => {
      const stopped = this.#call(handler, 'stop', () => handler.stop?.()).then(() => true)
      if ((await withinTime(stopped, withinMs)) === undefined) {
        this.#log.warn({ handler: handler.name, withinMs }, 'stop of the handler did not end in time')
      }
    })
    await Promise.all(stopping)
  }

  /** Tells each of a new dead letter. */
  tellDeadLetter(deadLetter: DeadLetter): void {
    for (const handler of this.#handlers) {
      void this.#call(handler, 'onDeadLetter', () => handler.onDeadLetter?.(deadLetter))
    }
  }

  async #call({ name }: LoadedHandler, hook: string, work: () => unknown): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#log.error({ err: error, handler: name }, `${hook} of the handler failed`)
    }
  }
}
