import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chownSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  archivedEvents,
  archivedIds,
  archivedLines,
  dayFile,
  dayFiles,
  openArchive,
} from '../support/archived.ts'
import { callEvent } from '../support/calls.ts'
import { callHandler, silentLog } from '../support/handler-call.ts'
import { missingProgram, needs, noMounts, smallDisk } from '../support/needs.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const DAY_MS = 86_400_000
const NOW = Date.now()
const daysAgo = (days: number) => new Date(NOW - days * DAY_MS).toISOString()
const TODAY = daysAgo(0).slice(0, 10)

const archived = (id: string, more: Record<string, unknown> = {}) => ({
  receivedAt: daysAgo(0),
  body: JSON.stringify({ id, status: 'completed', results: {}, ...more }),
})

describe('the archive', () => {
  it('has a file for each UTC day that deliveries were received on, which standard tools read', async () => {
    const dir = join(tempDir(), 'calls', 'archive')
    const archive = openArchive(dir)
    await callHandler(archive, { ...archived('anl_1'), receivedAt: '2026-03-04T23:59:59.999Z' })
    await callHandler(archive, { ...archived('anl_2'), receivedAt: '2026-03-05T00:00:00.000Z' })
    await callHandler(archive, {
      receivedAt: '2026-03-05T01:00:00.000Z',
      body: '{"id":"anl_3","status":"failed","error_message":"no speech"}',
    })
    expect(dayFiles(dir)).toEqual([dayFile(dir, '2026-03-04'), dayFile(dir, '2026-03-05')])
    expect(archivedEvents(dir)).toMatchObject([
      { id: 'anl_1', type: 'analysis.completed', receivedAt: '2026-03-04T23:59:59.999Z' },
      { id: 'anl_2', body: { status: 'completed' } },
      { id: 'anl_3', type: 'analysis.failed', body: { error_message: 'no speech' } },
    ])
  })

  it(
    'is read by Python, also when a day was written in many parts',
    needs(missingProgram('python3')),
    async () => {
      const dir = tempDir()
      const archive = openArchive(dir)
      for (let index = 0; index < 5; index += 1) await callHandler(archive, archived(`anl_${index}`))
      const program =
        'import gzip, json, sys; print([json.loads(line)["id"] for line in gzip.open(sys.argv[1], "rt")])'
      const output = execFileSync('python3', ['-c', program, dayFile(dir, TODAY)]).toString()
      expect(output).toBe("['anl_0', 'anl_1', 'anl_2', 'anl_3', 'anl_4']\n")
    },
  )

  it('keeps the JSON text of a body as it came', async () => {
    const dir = tempDir()
    const body = '{"id":"anl_1","status":"completed","results":{"score":12345678901234567890}}'
    await callHandler(openArchive(dir), { body })
    expect(archivedLines(dir)[0]).toContain(`"body":${body}}`)
  })

  it('is readable by the user of the service alone', async () => {
    const dir = join(tempDir(), 'archive')
    await callHandler(openArchive(dir), archived('anl_1'))
    const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
    expect([dir, join(dir, '.work'), dayFile(dir, TODAY)].map(modeOf)).toEqual(['700', '700', '600'])
  })

  it('takes a body of 10 MB', async () => {
    const dir = tempDir()
    await callHandler(openArchive(dir), archived('anl_1', { padding: 'word '.repeat(2 * 1024 * 1024) }))
    expect(archivedIds(dir)).toEqual(['anl_1'])
  })

  it('writes events that come together in one part', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => callHandler(archive, archived(`anl_${index}`))),
    )
    expect(archivedIds(dir)).toHaveLength(50)
    const parts = readFileSync(dayFile(dir, TODAY)).toString('latin1').split('\u{1f}\u{8b}\b').length - 1
    expect(parts).toBeLessThanOrEqual(3)
  })

  it('writes what was still waiting when it is closed', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    const calls = ['anl_1', 'anl_2', 'anl_3'].map((id) => callHandler(archive, archived(id)))
    await Promise.all([...calls, archive.stop?.()])
    expect(archivedIds(dir)).toEqual(['anl_1', 'anl_2', 'anl_3'])
  })
})

describe('a delivery that was archived', () => {
  it('gets no second line, in this run or after a restart', async () => {
    const dir = tempDir()
    const first = openArchive(dir)
    await Promise.all([callHandler(first, archived('anl_1')), callHandler(first, archived('anl_1'))])
    await callHandler(first, archived('anl_1'))
    await first.stop?.()
    await callHandler(openArchive(dir), archived('anl_1'))
    expect(archivedIds(dir)).toEqual(['anl_1'])
  })

  it('gets no second line on another day', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, { ...archived('anl_1'), receivedAt: daysAgo(3) })
    await callHandler(archive, archived('anl_1'))
    expect(archivedIds(dir)).toEqual(['anl_1'])
  })

  it('is kept besides with another body, as after the replay of a conflict', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    await callHandler(archive, archived('anl_1', { note: 'signed anew' }))
    const [first, second] = archivedEvents(dir)
    expect(first?.deliveryId).toBe(second?.deliveryId)
    expect(first?.sha256).not.toBe(second?.sha256)
  })

  it('gets a second line once the dedupe time is over', async () => {
    const dir = tempDir()
    const archive = openArchive(dir, { dedupeTtlMs: 1 })
    await callHandler(archive, { ...archived('anl_1'), receivedAt: daysAgo(3) })
    const addedBy = Date.now()
    await waitFor('the dedupe time', () => Date.now() > addedBy + 1)
    await archive.start?.({ log: silentLog })
    await callHandler(archive, archived('anl_1'))
    expect(archivedIds(dir)).toEqual(['anl_1', 'anl_1'])
  })
})

describe('what somebody does to the folder meanwhile', () => {
  it('the index is deleted: what the files hold is known all the same', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, { ...archived('anl_1'), receivedAt: daysAgo(2) })
    await callHandler(archive, archived('anl_2'))
    rmSync(join(dir, '.work'), { recursive: true })
    await callHandler(archive, archived('anl_1'))
    await callHandler(archive, archived('anl_2'))
    await callHandler(archive, archived('anl_3'))
    expect(archivedIds(dir)).toEqual(['anl_1', 'anl_2', 'anl_3'])
  })

  it('the index is damaged: the error names the setting and what to delete', async () => {
    const dir = tempDir()
    await callHandler(openArchive(dir), archived('anl_1'))
    for (const file of globSync(join(dir, '.work', 'index.db*'))) rmSync(file)
    writeFileSync(join(dir, '.work', 'index.db'), 'no database'.repeat(1000))
    await expect(callHandler(openArchive(dir), archived('anl_2'))).rejects.toThrow(
      /^ARCHIVE_DIR .* \(file is not a database\); delete its folder \.work/,
    )
  })

  it('a file is moved away: a new one is begun, in which a replay puts its events again', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    await callHandler(archive, archived('anl_2'))
    const away = join(tempDir(), 'away.gz')
    renameSync(dayFile(dir, TODAY), away)
    await callHandler(archive, archived('anl_3'))
    await callHandler(archive, archived('anl_2'))
    expect(archivedIds(dir)).toEqual(['anl_2', 'anl_3'])
    expect(gunzipSync(readFileSync(away)).toString().split('\n')).toHaveLength(3)
  })

  it('the whole folder is deleted: it is made again', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    rmSync(dir, { recursive: true })
    await callHandler(archive, archived('anl_2'))
    expect(archivedIds(dir)).toEqual(['anl_2'])
  })

  it('a file is cut off: nothing is added behind the damage, and the error names the file', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    for (const id of ['anl_1', 'anl_2']) await callHandler(archive, archived(id))
    truncateSync(dayFile(dir, TODAY), statSync(dayFile(dir, TODAY)).size - 5)
    const damaged = readFileSync(dayFile(dir, TODAY))
    await expect(callHandler(archive, archived('anl_3'))).rejects.toThrow(
      `${dayFile(dir, TODAY)} is damaged: move it away`,
    )
    expect(readFileSync(dayFile(dir, TODAY))).toEqual(damaged)
    await callHandler(archive, { ...archived('anl_3'), receivedAt: daysAgo(1) })
    rmSync(dayFile(dir, TODAY))
    await callHandler(archive, archived('anl_4'))
    expect(archivedIds(dir)).toEqual(['anl_3', 'anl_4'])
  })

  it.each([
    ['zeros at its end', Buffer.alloc(10)],
    ['an unfinished line at its end', gzipSync('{"id":')],
  ])('a file has %s: nothing is added behind it', async (_what, end) => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    appendFileSync(dayFile(dir, TODAY), end)
    await expect(callHandler(archive, archived('anl_2'))).rejects.toThrow('is damaged: move it away')
  })

  it('a damaged file of another day does not keep the archive from its work', async () => {
    const dir = tempDir()
    writeFileSync(dayFile(dir, daysAgo(2).slice(0, 10)), 'no gzip')
    const lines: string[] = []
    const log = { ...silentLog, warn: (line: { err: Error }) => void lines.push(line.err.message) }
    await callHandler(openArchive(dir), { ...archived('anl_1'), log: log as typeof silentLog })
    expect(lines).toEqual([expect.stringContaining('is damaged')])
    expect(existsSync(dayFile(dir, TODAY))).toBe(true)
  })

  it('a line is added by hand: it is left as it is', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    writeFileSync(join(dir, 'more'), '{"id":"by hand"}\n')
    execFileSync('sh', ['-c', `gzip < more >> ${TODAY}.ndjson.gz`], { cwd: dir })
    await callHandler(archive, archived('anl_2'))
    expect(archivedIds(dir)).toEqual(['anl_1', 'anl_2', 'by hand'])
  })
})

describe('a folder that cannot be used', () => {
  it('is named with its setting, and used as soon as it can be', async () => {
    const dir = join(tempDir(), 'archive')
    writeFileSync(dir, 'a file')
    const archive = openArchive(dir)
    await expect(callHandler(archive, archived('anl_1'))).rejects.toThrow(
      `ARCHIVE_DIR ${dir} cannot be used (ENOTDIR)`,
    )
    await expect(archive.start?.({ log: silentLog })).rejects.toThrow('ARCHIVE_DIR')
    rmSync(dir)
    await callHandler(archive, archived('anl_1'))
    expect(archivedIds(dir)).toEqual(['anl_1'])
  })

  it(
    'a full disk fails the event and leaves the file whole; the retry succeeds when there is room',
    needs(noMounts()),
    async () => {
      const disk = smallDisk('4m')
      const dir = join(disk, 'archive')
      const archive = openArchive(dir)
      await callHandler(archive, archived('anl_0'))
      writeFileSync(join(disk, 'filler'), Buffer.alloc(3 * 1024 * 1024))
      const incompressible = (id: string) =>
        archived(id, { padding: Array.from({ length: 30_000 }, () => Math.random()).join('') })
      const done = ['anl_0']
      const fillUp = async () => {
        for (let index = 1; index < 50; index += 1) {
          await callHandler(archive, incompressible(`anl_${index}`))
          done.push(`anl_${index}`)
        }
      }
      await expect(fillUp()).rejects.toThrow(
        /^ARCHIVE_DIR .* cannot be used \((ENOSPC|database or disk is full)\)$/,
      )
      expect(archivedIds(dir)).toEqual(done.toSorted())
      rmSync(join(disk, 'filler'))
      await callHandler(archive, incompressible('anl_again'))
      expect(archivedIds(dir)).toEqual([...done, 'anl_again'].toSorted())
    },
  )
})

describe('forget', () => {
  /** The text of every file below the folder, unzipped where it is gzip. */
  function everythingIn(dir: string): string {
    const files = globSync('**/*', { cwd: dir, withFileTypes: true, exclude: () => false })
    const hidden = globSync('.work/*', { cwd: dir, withFileTypes: true })
    return [...files, ...hidden]
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
      .map((bytes) => (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('latin1'))
      .join('\n')
  }

  it('erases all lines of an analysis from the files of all days, and no other', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    for (const days of [0, 1, 400]) {
      for (const id of ['anl_1', 'anl_2', 'anl_11']) {
        await callHandler(archive, {
          ...archived(id, { days, said: `${id} ZANZIBAR` }),
          receivedAt: daysAgo(days),
        })
      }
    }
    expect(everythingIn(dir)).toContain('anl_1 ZANZIBAR')
    // As the command does: in a process that knows nothing yet.
    expect(await openArchive(dir).forget?.('anl_1')).toBe(3)
    expect(archivedIds(dir)).toEqual(['anl_11', 'anl_11', 'anl_11', 'anl_2', 'anl_2', 'anl_2'])
    expect(everythingIn(dir)).not.toContain('anl_1 ZANZIBAR')
    expect(everythingIn(dir)).toContain('anl_2 ZANZIBAR')
    expect(await archive.forget?.('anl_1')).toBe(0)

    await callHandler(archive, archived('anl_3'))
    await callHandler(archive, archived('anl_2', { days: 0, said: 'anl_2 ZANZIBAR' }))
    expect(archivedIds(dir)).toHaveLength(7)
  })

  it('erases all events of a call, and nothing of another one', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    for (const type of ['call.started', 'tool.executed', 'call.ended']) {
      for (const callId of ['call-1', 'call-2']) {
        const body = JSON.stringify({ ...callEvent(type, { note: 'ZANZIBAR' }), callId })
        await callHandler(archive, { source: 'hamsa', body, receivedAt: daysAgo(0) })
      }
    }
    await callHandler(archive, archived('anl_1', { callId: 'call-1' }))
    expect(await archive.forget?.('call-1')).toBe(3)
    expect(archivedIds(dir)).toEqual(['anl_1', 'call-2', 'call-2', 'call-2'])
  })

  it('removes a file of which nothing is left', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    expect(await archive.forget?.('anl_1')).toBe(1)
    expect(dayFiles(dir)).toEqual([])
  })

  it('reaches what appending works with after a file was moved away', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    for (const id of ['anl_1', 'anl_2']) await callHandler(archive, archived(id, { said: 'ZANZIBAR' }))
    rmSync(dayFile(dir, TODAY))
    expect(everythingIn(dir)).toContain('ZANZIBAR')
    expect(await archive.forget?.('anl_1')).toBe(0)
    expect(everythingIn(dir)).not.toContain('ZANZIBAR')
  })

  it('says which file it could not search', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, archived('anl_1'))
    const damaged = dayFile(dir, '2020-02-02')
    writeFileSync(damaged, 'no gzip')
    await expect(archive.forget?.('anl_1')).rejects.toThrow(`${damaged} is damaged`)
    rmSync(damaged)
    expect(dayFiles(dir)).toEqual([])
  })

  it('finds nothing in a folder that is not there, and makes none', async () => {
    const dir = join(tempDir(), 'archive')
    expect(await openArchive(dir).forget?.('anl_1')).toBe(0)
    expect(existsSync(dir)).toBe(false)
  })

  it(
    'leaves the files to the user of the service, also when root does it',
    needs(process.getuid?.() === 0 ? undefined : 'only root can'),
    async () => {
      const dir = tempDir()
      const archive = openArchive(dir)
      for (const id of ['anl_1', 'anl_2']) await callHandler(archive, archived(id))
      chownSync(dayFile(dir, TODAY), 1234, 1234)
      await archive.forget?.('anl_1')
      expect(statSync(dayFile(dir, TODAY))).toMatchObject({ uid: 1234, gid: 1234 })
    },
  )
})

describe('retention', () => {
  it('removes whole files of days that are over for longer than that, and no others', async () => {
    const dir = tempDir()
    const archive = openArchive(dir, { keepMs: 7 * DAY_MS })
    for (const days of [0, 6, 7, 8, 9, 400]) {
      await callHandler(archive, { ...archived(`anl_${days}`), receivedAt: daysAgo(days) })
    }
    mkdirSync(join(dir, 'mine'))
    writeFileSync(join(dir, '2001-01-01.txt'), 'mine')
    await archive.start?.({ log: silentLog })
    expect(archivedIds(dir)).toEqual(['anl_0', 'anl_6', 'anl_7'])
    expect(existsSync(join(dir, '2001-01-01.txt'))).toBe(true)
    expect(globSync(join(dir, '.work', '2*'))).toEqual([])
  })

  it('keeps everything unless it is set', async () => {
    const dir = tempDir()
    const archive = openArchive(dir)
    await callHandler(archive, { ...archived('anl_1'), receivedAt: '2001-01-01T00:00:00.000Z' })
    await archive.start?.({ log: silentLog })
    expect(archivedIds(dir)).toEqual(['anl_1'])
  })
})
