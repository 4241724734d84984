import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
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

  it('is free again after the release', async () => {
    const dir = tempDir()
    lockDataDir(dir).release()
    expect(await startContender().lock(dir)).toBe('locked')
  })

  it('is free again when the service was killed', async () => {
    const dir = tempDir()
    const killed = startContender()
    expect(await killed.lock(dir)).toBe('locked')
    await killed.kill()
    const lock = lockDataDir(dir)
    expect(await startContender().lock(dir)).toBe('CALLCOV_DATA_DIR')
    lock.release()
  })
})

describe('many services that start at the same moment', () => {
  const ROUNDS = 40
  const TOGETHER_MS = 15

  it('on one folder: one gets it and the others are told so, each time', async () => {
    const contenders = Array.from({ length: 6 }, startContender)
    // The first round also waits for the processes to be up.
    for (let round = 0; round < ROUNDS; round += 1) {
      const dir = tempDir()
      const at = Date.now() + TOGETHER_MS
      const outcomes = await Promise.all(contenders.map((contender) => contender.lock(dir, at)))
      expect(outcomes.toSorted()).toEqual([...Array<string>(5).fill('CALLCOV_DATA_DIR'), 'locked'])
    }
  })
})

describe('a folder that cannot be locked', () => {
  it.each([
    ['is missing', (dir: string) => join(dir, 'missing')],
    [
      'has a folder where the lock is to be',
      (dir: string) => {
        mkdirSync(join(dir, LOCK_FILE))
        return dir
      },
    ],
    [
      'has a file there that holds something',
      (dir: string) => {
        writeFileSync(join(dir, LOCK_FILE), 'something')
        return dir
      },
    ],
  ])('because it %s stops the start and says so', (_case, prepare) => {
    const dir = prepare(tempDir())
    expect(refusal(dir).message).toContain(`${dir} cannot be locked`)
  })
})
