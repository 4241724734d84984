import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { RotatingSecrets, splitSecretFile, splitSecretValue } from '../../src/secrets.ts'
import { tempDir } from '../support/temp-dir.ts'

const OLD = 'whsec_old_0123456789'
const NEW = 'whsec_new_0123456789'
const POLL_MS = 10_000

describe('secrets given as a value', () => {
  it('are separated by commas, the newest first, blanks around them not being part of them', () => {
    expect(splitSecretValue(` ${NEW} ,${OLD},`)).toEqual([NEW, OLD])
  })

  it('never change', () => {
    const secrets = new RotatingSecrets({ kind: 'values', values: [NEW, OLD] }, () => {})
    expect(secrets.current).toEqual([NEW, OLD])
    secrets.close()
  })
})

describe('secrets given in a file', () => {
  it('stand one on a line, with either line end, the last one with or without', () => {
    expect(splitSecretFile(`${NEW}\n${OLD}\n`)).toEqual([NEW, OLD])
    expect(splitSecretFile(`${NEW}\r\n\r\n  ${OLD}`)).toEqual([NEW, OLD])
  })

  it('may hold commas, which separate nothing here', () => {
    expect(splitSecretFile(`${NEW},${OLD}\n`)).toEqual([`${NEW},${OLD}`])
  })

  it('do not begin with the byte-order mark of an editor', () => {
    expect(splitSecretFile(`\uFEFF${NEW}\n`)).toEqual([NEW])
  })
})

describe('a rotation in the file', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    return () => vi.useRealTimers()
  })

  function watchedFile(content: string) {
    const file = join(tempDir(), 'secret')
    writeFileSync(file, content)
    const events: unknown[] = []
    const secrets = new RotatingSecrets({ kind: 'file', path: file }, (event) => events.push(event))
    onTestFinished(() => secrets.close())
    return { file, events, secrets }
  }

  it('takes effect within 10 s without a restart, and is told once', () => {
    const { file, events, secrets } = watchedFile(`${OLD}\n`)
    writeFileSync(file, `${NEW}\n${OLD}\n`)
    expect(secrets.current).toEqual([OLD])
    vi.advanceTimersByTime(POLL_MS)
    expect(secrets.current).toEqual([NEW, OLD])
    vi.advanceTimersByTime(3 * POLL_MS)
    expect(events).toEqual([{ rotated: true }])
  })

  it('is seen when the file is replaced as Kubernetes does it, by a rename', () => {
    const { file, secrets } = watchedFile(OLD)
    writeFileSync(`${file}.next`, NEW)
    renameSync(`${file}.next`, file)
    vi.advanceTimersByTime(POLL_MS)
    expect(secrets.current).toEqual([NEW])
  })

  it('is seen when only the order changes', () => {
    const { file, events, secrets } = watchedFile(`${OLD}\n${NEW}`)
    writeFileSync(file, `${NEW}\n${OLD}`)
    vi.advanceTimersByTime(POLL_MS)
    expect(secrets.current).toEqual([NEW, OLD])
    expect(events).toEqual([{ rotated: true }])
  })

  it('is none when the file was written again with the same secrets', () => {
    const { file, events } = watchedFile(`${OLD}\n`)
    writeFileSync(file, `\n${OLD}\r\n`)
    vi.advanceTimersByTime(3 * POLL_MS)
    expect(events).toEqual([])
  })

  it.each([
    ['turns empty', (file: string) => writeFileSync(file, '')],
    ['turns short', (file: string) => writeFileSync(file, 'CANARY')],
    ['gets a short one beside a good one', (file: string) => writeFileSync(file, `${NEW}\nCANARY`)],
    ['is removed', (file: string) => rmSync(file)],
    [
      'becomes a folder',
      (file: string) => {
        rmSync(file)
        mkdirSync(file)
      },
    ],
  ])('keeps the last good content when the file %s, and says so once', (_case, spoil) => {
    const { file, events, secrets } = watchedFile(OLD)
    spoil(file)
    vi.advanceTimersByTime(5 * POLL_MS)
    expect(secrets.current).toEqual([OLD])
    expect(events).toEqual([{ problem: expect.any(String) }])
    expect(JSON.stringify(events)).not.toContain('CANARY')
  })

  it('goes on after the file was mended, and a later fault is told again', () => {
    const { file, events, secrets } = watchedFile(OLD)
    writeFileSync(file, '')
    vi.advanceTimersByTime(POLL_MS)
    writeFileSync(file, NEW)
    vi.advanceTimersByTime(POLL_MS)
    expect(secrets.current).toEqual([NEW])
    writeFileSync(file, '')
    vi.advanceTimersByTime(POLL_MS)
    const problem = { problem: expect.any(String) }
    expect(events).toEqual([problem, { rotated: true }, problem])
  })

  it('is no longer looked for after close', () => {
    const { file, secrets } = watchedFile(OLD)
    secrets.close()
    writeFileSync(file, NEW)
    vi.advanceTimersByTime(POLL_MS)
    expect(secrets.current).toEqual([OLD])
    expect(vi.getTimerCount()).toBe(0)
  })
})
