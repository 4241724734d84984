import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { DayLengths } from './day-files.ts'

const SQLITE_BUSY = 5
/** SQLite adds to the code in higher bits. */
const SQLITE_CODE = 0xff
const OPEN_WITHIN_MS = 5000
const NAME = 'index.db'

/**
 * What the files of an archive hold, for as long as repetitions are looked for; and the lock of the archive between
 * processes, which SQLite gives back when its holder dies. It can be deleted: all of it is read from the files again.
 * So a commit is not synced: after a power cut the lengths tell that a file holds more than is known here.
 */
export class ArchiveIndex {
  readonly #database: DatabaseSync
  readonly #path: string
  readonly #inode: number
  readonly #findDay: StatementSync
  readonly #note: StatementSync

  constructor(dir: string) {
    this.#path = join(dir, NAME)
    this.#database = new DatabaseSync(this.#path, { timeout: OPEN_WITHIN_MS })
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS files (day TEXT PRIMARY KEY, file INTEGER, copy INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS lines (key BLOB PRIMARY KEY, day TEXT, at INTEGER) WITHOUT ROWID;
      PRAGMA busy_timeout = 0;`)
    this.#inode = statSync(this.#path).ino
    this.#findDay = this.#database.prepare('SELECT day FROM lines WHERE key = ?')
    this.#note = this.#database.prepare('INSERT OR IGNORE INTO lines VALUES (?, ?, ?)')
  }

  /** False when another process holds the lock. */
  tryLock(): boolean {
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      return true
    } catch (error) {
      const { errcode = 0 } = error as { errcode?: number }
      if ((errcode & SQLITE_CODE) === SQLITE_BUSY) return false
      throw error
    }
  }

  /** False when the file was deleted or replaced: then another process locks another file. */
  get isInPlace(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode
  }

  /** Gives back the lock; what was noted under it stays, or not. */
  unlock(how: 'commit' | 'rollback'): void {
    // After an error of the disk SQLite has rolled back by itself.
    if (this.#database.isTransaction) this.#database.exec(how)
  }

  lengths(day: string): DayLengths {
    const row = this.#database.prepare('SELECT file, copy FROM files WHERE day = ?').get(day)
    return { file: Number(row?.file ?? 0), copy: Number(row?.copy ?? 0) }
  }

  setLengths(day: string, { file, copy }: DayLengths): void {
    this.#database.prepare('REPLACE INTO files VALUES (?, ?, ?)').run(day, file, copy)
  }

  /** The day whose file holds this line. */
  dayOf(key: Buffer): string | undefined {
    const row = this.#findDay.get(key)
    return row === undefined ? undefined : String(row.day)
  }

  /** False when a file holds it already. */
  note(key: Buffer, day: string, at: number): boolean {
    return this.#note.run(key, day, at).changes === 1
  }

  forgetDay(day: string): void {
    this.#database.prepare('DELETE FROM lines WHERE day = ?').run(day)
    this.#database.prepare('DELETE FROM files WHERE day = ?').run(day)
  }

  forgetBefore(at: number): void {
    this.#database.prepare('DELETE FROM lines WHERE at < ?').run(at)
  }

  close(): void {
    this.#database.close()
  }
}
