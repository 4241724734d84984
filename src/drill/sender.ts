import { createHmac } from 'node:crypto'
import { createWriteStream, type WriteStream } from 'node:fs'
import { Agent } from 'node:http'
import { finished } from 'node:stream/promises'
import { makeAnalysis } from '../cli/sample-analyses.ts'
import type { LedgerLine, SenderTask } from './messages.ts'
import { postWebhook } from './post-webhook.ts'

/** When CallCov sends again what was not acknowledged; a drill takes a second for each minute. */
const PAUSES_MINUTES = [1, 5, 15, 60, 360]
const MS_PER_MINUTE = 1000
/** Once the faults are over nobody needs to wait for the schedule. */
const PAUSE_AFTER_FAULTS_MS = 1000
const GIVE_UP_AFTER_MS = 60_000
const TICK_MS = 5
/** More than any rate keeps open in the 4 s that an answer may take, below the receiver's limit of connections. */
const MAX_OPEN = 2000
/** The receiver ends connections that are silent for 30 s; one is not to be used just then. */
const IDLE_CONNECTION_MS = 10_000

interface Webhook {
  readonly analysisId: string
  readonly body: Buffer
  readonly signature: string
  attempts: number
}

/** Sends as CallCov does, on a schedule that waits for no answer, and keeps the ledger of what came of each attempt. */
export class Sender {
  readonly #task: SenderTask
  readonly #agent = new Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS })
  readonly #ledger: WriteStream
  readonly #startedAt = performance.now()
  readonly #done = Promise.withResolvers<void>()
  readonly #timer: NodeJS.Timeout
  readonly #waiting = new Map<Webhook, NodeJS.Timeout>()
  #due: Webhook[] = []
  #open = 0
  #sent = 0
  #acknowledged = 0
  #faultsOverAt: number | undefined
  #tickedAt = this.#startedAt
  #lateMs = 0

  constructor(task: SenderTask) {
    this.#task = task
    this.#ledger = createWriteStream(task.ledgerFile)
    this.#timer = setInterval(() => this.#sendWhatIsDue(), TICK_MS)
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** From now on all that is outstanding is sent again and again, until it is acknowledged or a minute is over. */
  faultsOver(): void {
    this.#faultsOverAt = performance.now()
    for (const [webhook, timer] of this.#waiting) {
      clearTimeout(timer)
      this.#due.push(webhook)
    }
    this.#waiting.clear()
  }

  /**
   * Resolves when there is nothing left to send and the ledger is on disk, with how late this process was at worst:
   * answers may have come earlier by that much.
   */
  async done(): Promise<number> {
    await this.#done.promise
    clearInterval(this.#timer)
    for (const timer of this.#waiting.values()) clearTimeout(timer)
    this.#agent.destroy()
    this.#ledger.end()
    await finished(this.#ledger)
    return Math.round(this.#lateMs)
  }

  #sendWhatIsDue(): void {
    const { count, ratePerSecond } = this.#task
    const now = performance.now()
    this.#lateMs = Math.max(this.#lateMs, now - this.#tickedAt - TICK_MS)
    this.#tickedAt = now
    const dueByNow = Math.min(count, ((now - this.#startedAt) / 1000) * ratePerSecond)
    while (this.#open < MAX_OPEN) {
      const webhook = this.#due.shift() ?? (this.#sent < dueByNow ? this.#create() : undefined)
      if (webhook === undefined) break
      void this.#attempt(webhook)
    }
    if (this.#faultsOverAt === undefined) return
    const isLate = now > this.#faultsOverAt + GIVE_UP_AFTER_MS && this.#open === 0
    if (this.#acknowledged === count || isLate) this.#done.resolve()
  }

  /** Signed here and not by the product's own function, which would agree with itself whatever it does. */
  #create(): Webhook {
    const shape = this.#sent % 2 === 0 ? 'analysis' : 'event'
    const { id, body } = makeAnalysis({ event: 'completed', shape, language: 'en', segments: 10 })
    const signature = createHmac('sha256', this.#task.secret).update(body).digest('hex')
    this.#sent += 1
    return { analysisId: id, body, signature, attempts: 0 }
  }

  async #attempt(webhook: Webhook): Promise<void> {
    this.#open += 1
    webhook.attempts += 1
    const at = Date.now()
    const startedAt = performance.now()
    const answer = await postWebhook(this.#task.url, this.#agent, webhook)
    const ms = Math.round(performance.now() - startedAt)
    this.#open -= 1
    const line: LedgerLine = { analysisId: webhook.analysisId, at, ms, answer }
    this.#ledger.write(`${JSON.stringify(line)}\n`)
    if (answer === 200) this.#acknowledged += 1
    else this.#sendAgainLater(webhook)
  }

  #sendAgainLater(webhook: Webhook): void {
    const pauseMs = this.#pauseAfter(webhook.attempts)
    const again = () => {
      this.#waiting.delete(webhook)
      this.#due.push(webhook)
    }
    this.#waiting.set(webhook, setTimeout(again, pauseMs))
  }

  #pauseAfter(attempts: number): number {
    if (this.#faultsOverAt !== undefined) return PAUSE_AFTER_FAULTS_MS
    // After the last one CallCov gives up; here it is waited for the end of the faults.
    const minutes = PAUSES_MINUTES[attempts - 1] ?? Number.POSITIVE_INFINITY
    return Math.min(minutes * MS_PER_MINUTE, this.#task.longestPauseMs)
  }
}
