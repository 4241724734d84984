const LINES_PER_SECOND = 10

/**
 * Lets through the first lines of each kind in a second and counts the others: whoever is refused must not be able
 * to fill a disk with it.
 */
export class LineSampler {
  readonly #counts = new Map<string, number>()
  readonly #report: (leftOut: Record<string, number>) => void
  #isCounting = false

  /** @param report told once a second how many lines of each kind were left out, if any were */
  constructor(report: (leftOut: Record<string, number>) => void) {
    this.#report = report
  }

  /** True when the line is to be written. */
  admits(kind: string): boolean {
    if (!this.#isCounting) {
      this.#isCounting = true
      setTimeout(() => this.#endSecond(), 1000).unref()
    }
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    return count <= LINES_PER_SECOND
  }

  #endSecond(): void {
    this.#isCounting = false
    const kinds = [...this.#counts].filter(([, count]) => count > LINES_PER_SECOND)
    this.#counts.clear()
    if (kinds.length === 0) return
    this.#report(Object.fromEntries(kinds.map(([kind, count]) => [kind, count - LINES_PER_SECOND])))
  }
}
