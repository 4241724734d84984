import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCode } from '../../../errors.ts'
import { ArchiveIndex } from './archive-index.ts'
import { FOLDER_MODE } from './day-files.ts'

const WORK_FOLDER = '.work'
const LOCK_WITHIN_MS = 60_000
const POLL_MS = 10
/** Of SQLite: damaged, or not a database. */
const INDEX_BROKEN = new Set([11, 26])

/** Lets one piece of work at a time touch an archive, among all processes, with the index that goes with it. */
export class ArchiveLock {
  readonly workDir: string
  readonly #dir: string
  readonly #compareWithFiles: (index: ArchiveIndex) => Promise<void>
  #index: ArchiveIndex | undefined
  /** False after what is noted in the index was lost: it was opened, or a piece of work failed. */
  #isCompared = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(dir: string, compareWithFiles: (index: ArchiveIndex) => Promise<void>) {
    this.#dir = dir
    this.workDir = join(dir, WORK_FOLDER)
    this.#compareWithFiles = compareWithFiles
  }

  /** What the work notes in the index stays if it succeeds. */
  async exclusively<Result>(work: (index: ArchiveIndex) => Promise<Result>): Promise<Result> {
    const run = this.#turn.then(async () => {
      try {
        return await this.#workWith(await this.#lock(), work)
      } catch (error) {
        throw describeProblem(this.#dir, error)
      }
    })
    this.#turn = run.catch(() => {})
    return await run
  }

  /** Waits for the work that was begun. */
  async close(): Promise<void> {
    await this.#turn
    this.#index?.close()
    this.#index = undefined
  }

  async #workWith<Result>(
    index: ArchiveIndex,
    work: (index: ArchiveIndex) => Promise<Result>,
  ): Promise<Result> {
    try {
      if (!this.#isCompared) await this.#compareWithFiles(index)
      this.#isCompared = true
      const result = await work(index)
      index.unlock('commit')
      return result
    } catch (error) {
      this.#isCompared = false
      index.unlock('rollback')
      throw error
    }
  }

  async #lock(): Promise<ArchiveIndex> {
    const deadline = Date.now() + LOCK_WITHIN_MS
    while (Date.now() < deadline) {
      const index = (this.#index ??= await this.#openIndex())
      // Waited for here, as SQLite would block the process meanwhile.
      if (!index.tryLock()) await sleep(POLL_MS)
      else if (index.isInPlace) return index
      else {
        index.close()
        this.#index = undefined
      }
    }
    throw new Error(`another process has been using ARCHIVE_DIR ${this.#dir} for a minute`)
  }

  async #openIndex(): Promise<ArchiveIndex> {
    this.#isCompared = false
    await mkdir(this.workDir, { recursive: true, mode: FOLDER_MODE })
    return new ArchiveIndex(this.workDir)
  }
}

/** What the system or SQLite refused, with the setting to look at; what this service says itself stays. */
function describeProblem(dir: string, error: unknown): unknown {
  const code = errorCode(error)
  if (code === undefined) return error
  const { errstr, errcode = 0 } = error as { errstr?: string; errcode?: number }
  const cure = INDEX_BROKEN.has(errcode) ? `; delete its folder ${WORK_FOLDER}, which is made anew` : ''
  return new Error(`ARCHIVE_DIR ${dir} cannot be used (${errstr ?? code})${cure}`)
}
