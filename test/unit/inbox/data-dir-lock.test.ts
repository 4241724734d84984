import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { StartError } from '../../../src/errors.ts'
import { lockDataDir } from '../../../src/inbox/data-dir-lock.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { startContender } from '../support/lock-contenders.ts'

const LOCK_FILE = 'service.lock'

function refusal(dataDir: string): StartError {
  try {
    lockDataDir(dataDir).release()
  } catch (error) {
    if (error instanceof StartError) return error
    throw error
  }
  throw new Error('the folder could be locked')
}

/** A folder with a lock that some former service left. */
function dirWithLock(content: string): string {
  const dir = tempDir()
  writeFileSync(join(dir, LOCK_FILE), content)
  return dir
}

/** A folder with the lock of a process that has ended. */
function dirWithStaleLock(): string {
  const { pid } = spawnSync('true')
  return dirWithLock(`${pid} 12345`)
}

/** This process gets the lock, and then no other one does. */
async function expectTakenOver(dataDir: string): Promise<void> {
  const lock = lockDataDir(dataDir)
  expect(await startContender().lock(dataDir)).toBe('CALLCOV_DATA_DIR')
  lock.release()
}

describe('a data directory in use', () => {
  it('is refused to a second service, which is told the process of the first and what to do', async () => {
    const dir = tempDir()
    const first = startContender()
    expect(await first.lock(dir)).toBe('locked')
    const error = refusal(dir)
    expect(error.code).toBe('CALLCOV_DATA_DIR')
    expect(error.message).toContain(`process ${first.pid}`)
    expect(error.message).toContain(dir)
    expect(error.message).toContain('DATA_DIR')
  })

  it('does not keep other folders from being used', () => {
    const [first, second] = [tempDir(), tempDir()]
    const locks = [lockDataDir(first), lockDataDir(second)]
    expect([first, second].every((dir) => existsSync(join(dir, LOCK_FILE)))).toBe(true)
    for (const lock of locks) lock.release()
  })

  it('is free again after the release, and nothing is left behind', async () => {
    const dir = tempDir()
    lockDataDir(dir).release()
    expect(readdirSync(dir)).toEqual([])
    expect(await startContender().lock(dir)).toBe('locked')
  })

  it('is locked by one file that only its owner can read', () => {
    const dir = tempDir()
    const lock = lockDataDir(dir)
    expect(readdirSync(dir)).toEqual([LOCK_FILE])
    expect(statSync(join(dir, LOCK_FILE)).mode & 0o777).toBe(0o600)
    lock.release()
  })
})

describe('a lock that was left behind', () => {
  it('by a service that was killed is taken over', async () => {
    const dir = tempDir()
    const killed = startContender()
    expect(await killed.lock(dir)).toBe('locked')
    await killed.kill()
    await expectTakenOver(dir)
  })

  it('by a process number that nobody has is taken over', async () => {
    await expectTakenOver(dirWithStaleLock())
  })

  it('by a process number that another process has by now is taken over', async () => {
    const startedAtAnotherTime = 1
    await expectTakenOver(dirWithLock(`${process.ppid} ${startedAtAnotherTime}`))
  })

  it('by a former container, in which the service had the same number, is taken over', async () => {
    await expectTakenOver(dirWithLock(`${process.pid} 1`))
  })

  it.each([
    ['is empty, as after a power cut', ''],
    ['is filled with zero bytes, as after a power cut', '\0'.repeat(16)],
    ['holds no number', 'locked'],
  ])('and %s is taken over', async (_case, content) => {
    await expectTakenOver(dirWithLock(content))
  })
})

describe('many services that start at the same moment', () => {
  const ROUNDS = 100
  const TOGETHER_MS = 15

  it.each([
    ['a fresh folder', tempDir],
    ['a folder with a stale lock', dirWithStaleLock],
  ])('on %s: one gets it and the others are told so, each time', async (_case, makeDir) => {
    const contenders = Array.from({ length: 6 }, startContender)
    // The first round also waits for the processes to be up.
    for (let round = 0; round < ROUNDS; round += 1) {
      const dir = makeDir()
      const at = Date.now() + TOGETHER_MS
      const outcomes = await Promise.all(contenders.map((contender) => contender.lock(dir, at)))
      expect(outcomes.toSorted()).toEqual([...Array<string>(5).fill('CALLCOV_DATA_DIR'), 'locked'])
    }
  })
})

describe('a folder that cannot be locked', () => {
  it('is an error and never counts as locked', () => {
    const dir = tempDir()
    mkdirSync(join(dir, LOCK_FILE))
    expect(() => lockDataDir(dir)).toThrow(expect.any(Error))
    expect(() => lockDataDir(join(dir, 'missing'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })
})
