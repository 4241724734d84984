import { percentilesOf } from '../statistics.ts'
import { Connection } from './connection.ts'
import type { LoadResult, LoadTask } from './messages.ts'
import type { SignedRequest } from './signed-requests.ts'

export const CONNECTIONS = 50
const TICK_MS = 1
/** Answers that are still missing when the load is over. */
const LAST_ANSWERS_WITHIN_MS = 10_000
const OK = 200

/** Sends requests from an iterator and measures their answers; resolves when the last one is there. */
export async function runLoad(task: LoadTask, requests: Iterator<SignedRequest>): Promise<LoadResult> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const load = new Load(task, requests, resolve)
  await promise
  return load.result()
}

class Load {
  readonly #task: LoadTask
  readonly #requests: Iterator<SignedRequest>
  readonly #onOver: () => void
  readonly #connections: Connection[]
  readonly #idle: Connection[] = []
  readonly #latencies: number[] = []
  readonly #answers: [string, number][] = []
  readonly #others: Record<string, number> = {}
  readonly #cpuBefore = process.cpuUsage()
  readonly #startedAt = performance.now()
  readonly #timers: NodeJS.Timeout[] = []
  #lastAnswerAt = performance.now()
  #accepted = 0
  #sent = 0
  #open = 0
  #isEnding = false

  constructor(task: LoadTask, requests: Iterator<SignedRequest>, onOver: () => void) {
    this.#task = task
    this.#requests = requests
    this.#onOver = onOver
    this.#timers.push(setTimeout(() => this.#end(), task.seconds * 1000))
    if (task.ratePerSecond !== undefined) {
      this.#timers.push(setInterval(() => this.#sendWhatIsDue(), TICK_MS))
    }
    this.#connections = Array.from(
      { length: CONNECTIONS },
      (_, index) =>
        new Connection(task.ports[index % task.ports.length] ?? 0, (connection) => this.#use(connection)),
    )
  }

  result(): LoadResult {
    const { user, system } = process.cpuUsage(this.#cpuBefore)
    return {
      accepted: this.#accepted,
      others: this.#others,
      seconds: (this.#lastAnswerAt - this.#startedAt) / 1000,
      latencyMs: percentilesOf(this.#latencies),
      generatorCpuSeconds: (user + system) / 1e6,
      answers: this.#answers,
    }
  }

  #use(connection: Connection): void {
    if (this.#isEnding) return
    if (this.#task.ratePerSecond === undefined) this.#send(connection, performance.now())
    else this.#idle.push(connection)
  }

  #sendWhatIsDue(): void {
    const { ratePerSecond = 0 } = this.#task
    for (;;) {
      const dueAt = this.#startedAt + (this.#sent * 1000) / ratePerSecond
      if (dueAt > performance.now() || this.#isEnding) return
      const connection = this.#idle.pop()
      if (connection === undefined) return
      this.#send(connection, dueAt)
    }
  }

  #send(connection: Connection, countsFrom: number): void {
    const next = this.#sent === this.#task.count ? undefined : this.#requests.next()
    if (next === undefined || next.done === true) {
      this.#end()
      return
    }
    const request = next.value
    this.#sent += 1
    this.#open += 1
    connection.send(request, (status) => {
      const now = performance.now()
      this.#open -= 1
      this.#lastAnswerAt = now
      this.#latencies.push(now - countsFrom)
      if (status === OK) this.#accepted += 1
      else this.#others[status] = (this.#others[status] ?? 0) + 1
      if (this.#task.tellsAnswers) this.#answers.push([request.id, monotonicMicroseconds()])
      if (this.#isEnding && this.#open === 0) this.#finish()
    })
  }

  /** No more requests; what is open may still be answered. */
  #end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    if (this.#open === 0) this.#finish()
    else this.#timers.push(setTimeout(() => this.#finish(), LAST_ANSWERS_WITHIN_MS))
  }

  #finish(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const connection of this.#connections) connection.close()
    this.#onOver()
  }
}

/** The same clock in every process of the machine. */
function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1000n)
}
