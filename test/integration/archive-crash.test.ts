import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { archivedIds, archivedLines, dayFiles, openArchive } from '../support/archived.ts'
import { ARCHIVED_DAY, startArchiving } from '../support/archiving.ts'
import { missingProgram, needs } from '../support/needs.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const idsUpTo = (count: number, prefix = 'anl_') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`).toSorted()

/** Fails when one is missing in the archive that was reported done, or one is there twice. */
function expectNothingLost(dir: string, done: readonly string[]): void {
  const ids = archivedIds(dir)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids).toEqual(expect.arrayContaining([...done]))
}

describe('a process that is killed while it archives', () => {
  it('leaves a file the standard tools read, with all it reported done; run again it completes it, each line once', async () => {
    const dir = tempDir()
    const done: string[] = []
    for (const killedAfter of [1, 150, 400, 700, 950]) {
      const process = startArchiving(dir)
      await waitFor(`${killedAfter} appends`, () => process.done.length >= killedAfter, { everyMs: 1 })
      process.kill()
      expect(await process.ended()).toBeNull()
      done.push(...process.done)
      expectNothingLost(dir, done)
    }
    expect(await startArchiving(dir).ended()).toBe(0)
    expect(archivedIds(dir)).toEqual(idsUpTo(1000))
  })

  it.each([
    { call: 'write', file: '.work/2026-03-04.next' },
    { call: 'fdatasync', file: '.work/2026-03-04.next' },
    { call: 'link', file: '2026-03-04.ndjson.gz' },
    { call: 'rename', file: '.work/2026-03-04.next' },
    { call: 'rename', file: '.work/2026-03-04.last' },
    { call: 'fsync', file: '.' },
    { call: 'pwrite64', file: '.work/index.db-wal' },
  ])(
    'at a $call on $file: nothing that was reported done is lost',
    needs(missingProgram('strace')),
    async ({ call, file }) => {
      const dir = tempDir()
      const done: string[] = []
      const occasions = [1, 2, 3]
      for (const when of occasions) {
        const inject = `inject=${call}:signal=KILL:when=${when}`
        const under = ['strace', '-f', '-qqq', '-o', '/dev/null', '-P', join(dir, file), '-e', inject]
        const process = startArchiving(dir, { prefix: `${when}_`, count: 100, under })
        expect(await process.ended()).toBeNull()
        done.push(...process.done)
        if (dayFiles(dir).length > 0) expectNothingLost(dir, done)
        else expect(done).toEqual([])
      }
      for (const when of occasions) {
        expect(await startArchiving(dir, { prefix: `${when}_`, count: 100 }).ended()).toBe(0)
      }
      expect(archivedIds(dir)).toEqual(occasions.flatMap((when) => idsUpTo(100, `${when}_`)).toSorted())
    },
  )
})

it(
  'reports a line done after its bytes and then its name were synced',
  needs(missingProgram('strace')),
  async () => {
    const dir = tempDir()
    const trace = join(tempDir(), 'trace')
    const under = ['strace', '-f', '-y', '-s', '64', '-o', trace, '-e', 'trace=write,fdatasync,rename,fsync']
    expect(await startArchiving(dir, { count: 1, under }).ended()).toBe(0)
    const synced = readFileSync(trace, 'utf8')
      .split('\n')
      .flatMap((line) => {
        if (line.includes(`fdatasync(`) && line.includes(`${ARCHIVED_DAY}.next`)) return ['bytes synced']
        if (line.includes('rename(') && line.includes(`${ARCHIVED_DAY}.ndjson.gz"`)) return ['renamed']
        if (line.includes('fsync(') && line.includes(`${dir}>`)) return ['name synced']
        return /write\(1<.*anl_0/.test(line) ? ['reported'] : []
      })
    expect(synced).toEqual(['bytes synced', 'renamed', 'name synced', 'reported'])
  },
)

describe('two processes on one archive', () => {
  it('lose nothing of each other, and add nothing twice', async () => {
    const dir = tempDir()
    const processes = ['one_', 'two_', 'one_'].map((prefix) => startArchiving(dir, { prefix, count: 500 }))
    expect(await Promise.all(processes.map((process) => process.ended()))).toEqual([0, 0, 0])
    expect(archivedIds(dir)).toEqual([...idsUpTo(500, 'one_'), ...idsUpTo(500, 'two_')].toSorted())
  })

  it('lose nothing when one of them is killed', async () => {
    const dir = tempDir()
    const [living, killed] = [
      startArchiving(dir, { prefix: 'one_' }),
      startArchiving(dir, { prefix: 'two_' }),
    ]
    await waitFor('some appends', () => killed.done.length > 100, { everyMs: 1 })
    killed.kill()
    await killed.ended()
    expect(await living.ended()).toBe(0)
    expectNothingLost(dir, [...living.done, ...killed.done])
  })

  it('one forgets while the other writes: the lines are gone, and all others are there', async () => {
    const dir = tempDir()
    const writing = startArchiving(dir, { count: 2000 })
    const forgetting = openArchive(dir)
    for (const id of ['anl_0', 'anl_7', 'anl_99']) {
      await waitFor(id, () => writing.done.includes(id), { everyMs: 1 })
      expect(await forgetting.forget?.(id)).toBe(1)
    }
    expect(await writing.ended()).toBe(0)
    const forgotten = new Set(['anl_0', 'anl_7', 'anl_99'])
    expect(archivedIds(dir)).toEqual(idsUpTo(2000).filter((id) => !forgotten.has(id)))
  })

  it('one reads while the other writes: what it reads is whole', async () => {
    const dir = tempDir()
    const writing = startArchiving(dir, { count: 3000 })
    await waitFor('the first append', () => writing.done.length > 0, { everyMs: 1 })
    for (let read = 0; read < 20; read += 1) {
      const done = [...writing.done]
      expect(archivedLines(dir).length).toBeGreaterThanOrEqual(done.length)
    }
    expect(await writing.ended()).toBe(0)
  })
})
