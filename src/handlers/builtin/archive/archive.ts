import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Logger } from 'pino'
import type { ArchiveIndex } from './archive-index.ts'
import { isLineAbout, readLineKey } from './archive-line.ts'
import { ArchiveLock } from './archive-lock.ts'
import { DayFiles } from './day-files.ts'

const DAY_CHARACTERS = 10
/** Waiting lines that are compressed and synced together. */
const GROUP_BYTES = 8 * 1024 * 1024
const compress = promisify(gzip)

export interface ArchiveOptions {
  readonly dir: string
  /** `undefined`: for ever. */
  readonly keepMs: number | undefined
  /** How long a line is known, so that it is not added again. */
  readonly dedupeTtlMs: number
  /** Told of files that cannot be read. */
  readonly log: Logger | undefined
}

interface Line {
  readonly day: string
  readonly key: Buffer
  readonly text: Buffer
}

interface Waiting extends Line {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Day files of gzipped lines that processes append to one at a time. */
export class Archive {
  readonly #options: ArchiveOptions
  readonly #files: DayFiles
  readonly #lock: ArchiveLock
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined

  constructor(options: ArchiveOptions) {
    this.#options = options
    this.#lock = new ArchiveLock(options.dir, (index) => this.#readRecentDays(index))
    this.#files = new DayFiles(options.dir, this.#lock.workDir)
  }

  /** Resolves when the line is on the disk, be it from before. Lines that wait meanwhile are written together. */
  async add(line: Line): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ ...line, resolve, reject })
    this.#writing ??= this.#writeWaiting()
    await promise
  }

  /**
   * Erases all lines about an id of the provider; returns how many there were.
   * @throws when a file could not be searched, after all others were
   */
  async forget(id: string): Promise<number> {
    if (!existsSync(this.#options.dir)) return 0
    // They may hold lines that the files no longer do.
    await this.#lock.exclusively(() => this.#files.removeCopies())
    const problems: unknown[] = []
    let erased = 0
    for (const day of await this.#files.list()) {
      try {
        erased += await this.#forgetOn(day, id)
      } catch (error) {
        problems.push(error)
      }
    }
    if (problems.length > 0) throw problems[0]
    return erased
  }

  async #forgetOn(day: string, id: string): Promise<number> {
    // Few files hold it; those are read again, under the lock.
    if (!(await this.#mayHold(day, id))) return 0
    return await this.#lock.exclusively(async (index) => {
      if ((await this.#files.length(day)) === 0) return 0
      await this.#refresh(index, day)
      await this.#files.removeCopies()
      const dropped = await this.#files.rewrite(day, (line) => !isLineAbout(line, id))
      index.setLengths(day, { file: await this.#files.length(day), copy: 0 })
      return dropped
    })
  }

  /** Removes what is too old: day files, working copies, and the memory of lines. */
  async removeOld(): Promise<void> {
    const { keepMs, dedupeTtlMs } = this.#options
    await this.#lock.exclusively(async (index) => {
      const lastDay = keepMs === undefined ? '' : dayOf(Date.now() - keepMs)
      for (const day of await this.#files.list()) {
        if (day >= lastDay) break
        await this.#files.remove(day)
        index.forgetDay(day)
      }
      await this.#files.removeCopies(dayOf(Date.now()))
      index.forgetBefore(Date.now() - dedupeTtlMs)
    })
  }

  /** Writes what waits, and closes the index. */
  async close(): Promise<void> {
    await this.#writing
    await this.#lock.close()
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        await this.#lock.exclusively((index) => this.#write(index, group))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#writing = undefined
  }

  /** The first that waits, and those of its day up to a size. */
  #takeGroup(): Waiting[] {
    const group: Waiting[] = []
    const left: Waiting[] = []
    let bytes = 0
    for (const line of this.#waiting) {
      const fits =
        group.length === 0 || (line.day === group[0]?.day && bytes + line.text.length <= GROUP_BYTES)
      if (fits) bytes += line.text.length
      ;(fits ? group : left).push(line)
    }
    this.#waiting = left
    return group
  }

  async #write(index: ArchiveIndex, group: readonly Line[]): Promise<void> {
    const day = group[0]?.day ?? ''
    await this.#refresh(index, day)
    const fresh: Buffer[] = []
    for (const { key, text } of group) {
      const heldBy = index.dayOf(key)
      if (heldBy !== undefined && heldBy !== day) await this.#refresh(index, heldBy)
      if (index.note(key, day, Date.now())) fresh.push(text)
    }
    if (fresh.length === 0) return
    const member = await compress(Buffer.concat(fresh))
    index.setLengths(day, await this.#files.append(day, index.lengths(day), member))
  }

  /** Reads a day's file again when it is not the one that the index knows: changed by hand, or ahead after a crash. */
  async #refresh(index: ArchiveIndex, day: string): Promise<void> {
    const length = await this.#files.length(day)
    if (length === index.lengths(day).file) return
    index.forgetDay(day)
    if (length === 0) return
    for await (const lines of this.#files.lines(day)) {
      for (const line of lines) {
        const read = readLineKey(line)
        if (read !== undefined) index.note(read.key, day, read.receivedAt)
      }
    }
    index.setLengths(day, { file: length, copy: 0 })
  }

  /** Also true when it cannot be read: it may be written to while it is. */
  async #mayHold(day: string, id: string): Promise<boolean> {
    try {
      for await (const lines of this.#files.lines(day)) {
        if (lines.some((line) => isLineAbout(line, id))) return true
      }
      return false
    } catch {
      return true
    }
  }

  /** After this the index knows all lines that may come again. */
  async #readRecentDays(index: ArchiveIndex): Promise<void> {
    const firstDay = dayOf(Date.now() - this.#options.dedupeTtlMs)
    const days = await this.#files.list()
    for (const day of days.filter((candidate) => candidate >= firstDay)) {
      try {
        await this.#refresh(index, day)
      } catch (error) {
        this.#options.log?.warn({ err: error }, 'an archive file cannot be read')
      }
    }
  }
}

/** The UTC day of a time. */
export function dayOf(time: number | string): string {
  return new Date(time).toISOString().slice(0, DAY_CHARACTERS)
}
