const LARGE_FROM_BYTES = 1024 * 1024

/**
 * Lets large bodies through one at a time. Parsed, a body of 10 MB takes 50 MB and more: twenty at once would take
 * what a small container has.
 */
export class LargeBodies {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs the work at once for an ordinary body, after the large ones before it for a large one. */
  async inTurn<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    if (bytes < LARGE_FROM_BYTES) return await work()
    const before = this.#last
    const turn = before.then(work)
    this.#last = turn.catch(() => {})
    return await turn
  }
}
