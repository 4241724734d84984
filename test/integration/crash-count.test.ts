import { describe, expect, it } from 'vitest'
import { AttemptFailure } from '../../src/worker/attempt-failure.ts'
import { runCountingCrashes } from '../../src/worker/crash-count.ts'
import { startRedis } from '../support/redis-server.ts'

const JOB = 'callcov:handler-crm:1'

async function openCount() {
  const redis = await startRedis()
  await redis.use((client) => client.hset(JOB, 'name', 'run'))
  const [stop, lose] = [new AbortController(), new AbortController()]
  return {
    lose: () => lose.abort(),
    crashes: () => redis.use(async (client) => await client.hget(JOB, 'crashes')),
    run: (run: () => Promise<unknown>) =>
      redis.use(async (client) => {
        const signals = { stopped: stop.signal, lost: lose.signal }
        return await runCountingCrashes({ redis: client, jobKey: JOB, ...signals, run })
      }),
    remove: () => redis.use(async (client) => await client.del(JOB)),
    exists: () => redis.use(async (client) => await client.exists(JOB)),
  }
}

describe('a run of a job that was running when a worker died', () => {
  it('counts as a crash while it runs, and no longer when it has failed', async () => {
    const { crashes, run } = await openCount()
    let during: string | null = null
    const failing = run(async () => {
      during = await crashes()
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(during).toBe('1')
    expect(await crashes()).toBe('0')
  })

  it('does not come to pass when the process has ended six times in it', async () => {
    const { run, lose, crashes } = await openCount()
    // Not taken back, as after the end of the process.
    lose()
    const failing = () => run(() => Promise.reject(new Error('no')))
    for (let crash = 2; crash <= 6; crash += 1) await expect(failing()).rejects.toThrow('no')
    expect(await crashes()).toBe('5')
    const refused = await run(() => Promise.resolve('not run')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(AttemptFailure)
    expect(refused).toMatchObject({
      reason: 'crashed',
      text: 'the worker ended or froze 6 times while this ran',
      final: true,
    })
  })

  it('leaves nothing behind of a job that is no longer there, before or after it', async () => {
    const { run, remove, exists } = await openCount()
    const failing = run(async () => {
      await remove()
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await exists()).toBe(0)
    expect(await run(() => Promise.resolve('run all the same'))).toBe('run all the same')
    expect(await exists()).toBe(0)
  })
})
