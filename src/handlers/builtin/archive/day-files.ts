import { createReadStream, createWriteStream } from 'node:fs'
import { chown, copyFile, constants, link, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { errorCode } from '../../../errors.ts'

const DAY_FILE = /^(\d{4}-\d{2}-\d{2})\.ndjson\.gz$/
const WORKING_COPY = /^(\d{4}-\d{2}-\d{2})\./
const LINE_FEED = 0x0a
const CHUNK_BYTES = 256 * 1024
/** People's calls: for the user of the service alone. */
const FILE_MODE = 0o600
export const FOLDER_MODE = 0o700

/** The lengths by which a day's file and its working copy are known again; 0: not there, or not to be trusted. */
export interface DayLengths {
  readonly file: number
  readonly copy: number
}

/**
 * The files of an archive, one per day. A file under its name is never written to, so that no crash leaves it cut
 * off: what is appended goes to a working copy, which is synced and then takes the name, while the file before it
 * becomes the next working copy. So each append costs what it adds, and today's file takes its space twice.
 * Callers hold the lock of the archive, except to list and to read.
 */
export class DayFiles {
  readonly #dir: string
  readonly #workDir: string

  constructor(dir: string, workDir: string) {
    this.#dir = dir
    this.#workDir = workDir
  }

  path(day: string): string {
    return join(this.#dir, `${day}.ndjson.gz`)
  }

  /** The days there are files of, oldest first. */
  async list(): Promise<string[]> {
    const names = await readdir(this.#dir)
    return names.flatMap((name) => DAY_FILE.exec(name)?.[1] ?? []).toSorted()
  }

  /** 0 when it is not there. */
  async length(day: string): Promise<number> {
    return await lengthOf(this.path(day))
  }

  /**
   * The lines of a day with their line feeds, some at a time.
   * @throws naming the file when it is damaged
   */
  async *lines(day: string): AsyncGenerator<Buffer[]> {
    const zipped = createReadStream(this.path(day))
    const unzipped = createGunzip({ chunkSize: CHUNK_BYTES })
    // What goes wrong with the reading comes out of the stream that is read from.
    pipeline(zipped, unzipped).catch(() => {})
    let begun: Buffer[] = []
    try {
      for await (const chunk of unzipped as AsyncIterable<Buffer>) {
        const lines: Buffer[] = []
        let start = 0
        for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
          lines.push(Buffer.concat([...begun, chunk.subarray(start, end + 1)]))
          begun = []
          start = end + 1
        }
        if (start < chunk.length) begun.push(chunk.subarray(start))
        if (lines.length > 0) yield lines
      }
    } catch (error) {
      if (errorCode(error)?.startsWith('Z_') === true) throw this.#damaged(day, error)
      throw error
    }
    // What is added behind such an end would not be read, or be part of another line.
    if (begun.length > 0 || unzipped.bytesWritten < zipped.bytesRead) throw this.#damaged(day)
  }

  #damaged(day: string, cause?: unknown): Error {
    return new Error(`${this.path(day)} is damaged: move it away, and a new one is begun`, { cause })
  }

  /** Adds a gzip member to the end of a day's file, synced to the disk. */
  async append(day: string, lengths: DayLengths, member: Buffer): Promise<DayLengths> {
    const path = this.path(day)
    const copy = this.#workFile(day, 'next')
    const before = this.#workFile(day, 'last')
    await this.#prepareCopy(day, lengths)
    const file = await open(copy, 'a', FILE_MODE)
    try {
      await file.appendFile(member)
      await file.datasync()
    } finally {
      await file.close()
    }
    await rm(before, { force: true })
    // A file system without hard links costs a whole copy each time.
    const isLinked = await link(path, before).then(
      () => true,
      () => false,
    )
    await rename(copy, path)
    if (isLinked) await rename(before, copy)
    await this.#syncNames()
    return { file: lengths.file + member.length, copy: isLinked ? lengths.file : 0 }
  }

  /** Brings the working copy to the length of the file. It lacks what the last append added, or all. */
  async #prepareCopy(day: string, lengths: DayLengths): Promise<void> {
    const copy = this.#workFile(day, 'next')
    if (lengths.copy === 0 || (await lengthOf(copy)) !== lengths.copy) {
      await rm(copy, { force: true })
      if (lengths.file > 0) await copyFile(this.path(day), copy, constants.COPYFILE_FICLONE)
      return
    }
    await pipeline(
      createReadStream(this.path(day), { start: lengths.copy, end: lengths.file - 1 }),
      createWriteStream(copy, { flags: 'a' }),
    )
  }

  /** Keeps only the lines that pass; a file of which none is left goes. Returns how many went. */
  async rewrite(day: string, isKept: (line: Buffer) => boolean): Promise<number> {
    const rewritten = this.#workFile(day, 'rewritten')
    let kept = 0
    let dropped = 0
    const lines = this.lines(day)
    await pipeline(
      async function* () {
        for await (const some of lines) {
          const staying = some.filter(isKept)
          kept += staying.length
          dropped += some.length - staying.length
          yield Buffer.concat(staying)
        }
      },
      createGzip(),
      createWriteStream(rewritten, { mode: FILE_MODE, flush: true }),
    )
    if (kept === 0) await this.remove(day)
    else {
      // A tool may do this as root; the file stays that of the service.
      const { uid, gid } = await stat(this.path(day))
      await chown(rewritten, uid, gid)
      await rename(rewritten, this.path(day))
    }
    await this.#syncNames()
    return dropped
  }

  async remove(day: string): Promise<void> {
    await rm(this.path(day), { force: true })
  }

  /** Removes what appends work with, of all days or of all but one. */
  async removeCopies(exceptDay?: string): Promise<void> {
    for (const name of await readdir(this.#workDir)) {
      const day = WORKING_COPY.exec(name)?.[1]
      if (day !== undefined && day !== exceptDay) await rm(join(this.#workDir, name), { force: true })
    }
  }

  #workFile(day: string, kind: 'next' | 'last' | 'rewritten'): string {
    return join(this.#workDir, `${day}.${kind}`)
  }

  /** A new name is on the disk only after this. */
  async #syncNames(): Promise<void> {
    const folder = await open(this.#dir, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

async function lengthOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0
    throw error
  }
}
