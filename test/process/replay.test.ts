import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Job, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { jsonOf, runCommand } from '../support/command.ts'
import { fillDeadLetters, waitForDead } from '../support/dead-letters.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis, type RedisServer } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const FAILS = `throw new PermanentError('the CRM said no')`

interface Setup {
  readonly redis: RedisServer
  readonly env: NodeJS.ProcessEnv
  readonly service: Service
  readonly runs: string
  /** Sends one delivery of an analysis. */
  readonly send: (id: string, fields?: Record<string, unknown>) => Promise<void>
  /** Writes a handler file anew and waits until the worker runs with it. */
  readonly setHandler: (does: string, name?: string) => Promise<void>
}

/** A service on a Redis of its own, with a handler crm that notes its runs and then does as told. */
async function startWith(does: string): Promise<Setup> {
  const redis = await startRedis()
  const runs = join(tempDir(), 'runs')
  const env = { REDIS_URL: redis.url }
  const handlers = { 'crm.ts': recordingHandler(runs, { name: 'crm', does }) }
  const service = await startService({ env, handlers })
  return {
    redis,
    env,
    service,
    runs,
    async send(id, fields) {
      const answer = await post(service.webhookUrl, signedDelivery({ fields: { id, ...fields } }))
      expect(answer.status).toBe(200)
    },
    async setHandler(newDoes, name = 'crm') {
      const before = service.logLines({ msg: 'the worker runs again' }).length
      writeFileSync(join(service.handlersDir, `${name}.ts`), recordingHandler(runs, { name, does: newDoes }))
      await waitFor(
        'the worker with the new handler',
        () => service.logLines({ msg: 'the worker runs again' }).length > before,
      )
    },
  }
}

interface ReplaySummary {
  readonly planned: Record<string, number>
  readonly replayed: number
  readonly seconds: number
}

async function replay(env: NodeJS.ProcessEnv, ...args: string[]) {
  const { code, stdout, stderr } = await runCommand(['replay', ...args, '--json'], env)
  return { code, stderr, ...(JSON.parse(stdout) as ReplaySummary) }
}

describe('one delivery', () => {
  it('that a handler gave up runs again once the handler is mended, told that it is a replay, and is no longer dead', async () => {
    const { env, runs, send, setHandler } = await startWith(FAILS)
    await send('anl-1')
    await waitForDead(env, 1)
    const replays = join(tempDir(), 'replays')
    await setHandler(`appendFileSync(${JSON.stringify(replays)}, context.replay + ' ' + context.attempt)`)

    const { code, stdout, stderr } = await runCommand(['replay', 'anl-1'], env)
    expect([code, stdout, stderr]).toEqual([0, 'replayed 1, already waiting 0, not found 0\n', ''])
    const [first, second] = await waitForRuns(runs, 2)
    expect(second?.deliveryId).toBe(first?.deliveryId)
    await waitForDead(env, 0)
    expect(readFileSync(replays, 'utf8')).toBe('1 1')
    const [shown] = await jsonOf(['deliveries', 'show', 'anl-1'], env)
    expect(shown?.jobs).toMatchObject([
      { handler: 'inbox', replays: 0 },
      { handler: 'crm', state: 'done', attempts: 1, replays: 1, failure: null, stack: null },
      { handler: 'log', replays: 0 },
    ])
  })

  it('that is replayed by two people at once runs once more', async () => {
    const { env, runs, send, setHandler } = await startWith(FAILS)
    await send('anl-2')
    await waitForDead(env, 1)
    await setHandler('await sleep(1000)')
    const results = await Promise.all([replay(env, 'anl-2'), replay(env, 'anl-2'), replay(env, '--every')])
    expect(results.map(({ replayed }) => replayed).toSorted()).toEqual([0, 0, 1])
    await waitFor('the replay to be done', async () => {
      const [shown] = await jsonOf(['deliveries', 'show', 'anl-2'], env)
      const jobs = shown?.jobs as { handler: string; state: string; replays: number }[]
      return jobs.some(
        ({ handler, state, replays }) => handler === 'crm' && state === 'done' && replays === 1,
      )
    })
    expect(recordedRuns(runs)).toHaveLength(2)
  })

  it('that nobody gave up is left as it is, unless a handler is named or all are meant', async () => {
    const { env, runs, send } = await startWith('')
    await send('anl-3')
    await waitForRuns(runs, 1)
    await waitFor(
      'it to be done',
      async () => (await jsonOf(['deliveries', '--state', 'done'], env)).length === 2,
    )
    const { code, stdout } = await runCommand(['replay', 'anl-3'], env)
    expect(stdout).toMatch(
      /^replayed 0, already waiting 0, not found 0\nnothing of .* is dead \(crm: done, log: done\)/,
    )
    expect(code).toBe(0)
    expect(await replay(env, 'anl-3', '--handler', 'crm')).toMatchObject({ replayed: 1, planned: { crm: 1 } })
    await waitForRuns(runs, 2)
    await waitFor(
      'it to be done',
      async () => (await jsonOf(['deliveries', '--state', 'done'], env)).length === 2,
    )
    expect(await replay(env, 'anl-3', '--all')).toMatchObject({ replayed: 2, planned: { crm: 1, log: 1 } })
    await waitForRuns(runs, 3)
  })

  it('that waits for its next attempt runs at once when its handler is named', async () => {
    const { env, runs, send } = await startWith(`if (context.attempt === 1) throw new RetryLater('1h')`)
    await send('anl-4')
    await waitFor(
      'it to wait',
      async () => (await jsonOf(['deliveries', '--state', 'waiting'], env)).length === 1,
    )
    expect(await replay(env, 'anl-4')).toMatchObject({ replayed: 0, alreadyWaiting: 1, code: 0 })
    expect(await replay(env, 'anl-4', '--handler', 'crm')).toMatchObject({ replayed: 1 })
    await waitForRuns(runs, 2)
  })

  it('that crashed the worker too often runs again, its crashes forgotten', async () => {
    const { redis, env, runs, send, setHandler } = await startWith(FAILS)
    await send('anl-5')
    const [dead] = await waitForDead(env, 1)
    await makeCrashed(redis, String(dead?.jobId))
    await waitForDead(env, 1, '--reason', 'crashed')
    await setHandler('')
    expect(await replay(env, 'anl-5')).toMatchObject({ replayed: 1 })
    await waitForRuns(runs, 2)
    await waitForDead(env, 0)
  })

  it('that nobody knows is named and ends with code 1, the others are replayed all the same', async () => {
    const { env, send } = await startWith(FAILS)
    await send('anl-6')
    await waitForDead(env, 1)
    const result = await replay(env, 'nobody', 'anl-6')
    expect(result).toMatchObject({ code: 1, ok: false, replayed: 1, notFound: 1, missing: ['nobody'] })
    expect(result.stderr).toMatch(/^nobody: nothing is stored/)
  })
})

describe('a delivery that no handler was given', () => {
  it('because of a conflict reaches the handlers when it is replayed', async () => {
    const { env, runs, send } = await startWith('')
    await send('anl-7')
    await waitForRuns(runs, 1)
    await send('anl-7', { results: { second: true } })
    const [conflict] = await waitForDead(env, 1, '--reason', 'conflict')
    expect(recordedRuns(runs)).toHaveLength(1)
    const refused = await replay(env, String(conflict?.jobId), '--handler', 'crm')
    expect(refused).toMatchObject({ code: 1, replayed: 0 })
    expect(refused.stderr).toContain('no handler was given it yet (conflict); replay it without --handler')

    expect(await replay(env, String(conflict?.jobId))).toMatchObject({ code: 0, planned: { inbox: 1 } })
    const [first, second] = await waitForRuns(runs, 2)
    expect(second).toMatchObject({ analysisId: 'anl-7', deliveryId: first?.deliveryId })
    await waitForDead(env, 0)
  })

  it('because of a conflict does not come along when others are replayed, unless that is asked for', async () => {
    const { env, send } = await startWith(FAILS)
    await send('anl-8')
    await send('anl-8', { results: { second: true } })
    await waitForDead(env, 2)
    const byId = await replay(env, 'anl-8', '--dry-run')
    expect(byId.planned).toEqual({ crm: 1 })
    expect(byId).toMatchObject({ notes: [expect.stringMatching(/^left alone: .*held back \(conflict\)$/)] })
    const recent = await replay(env, '--since', '1h', '--dry-run')
    expect(recent.planned).toEqual({ crm: 1 })
    expect(recent).toMatchObject({ notes: [expect.stringContaining('left alone: 1 held back')] })
    for (const asked of [['--every'], ['--handler', 'inbox', '--handler', 'crm']]) {
      expect((await replay(env, ...asked, '--dry-run')).planned).toEqual({ crm: 1, inbox: 1 })
    }
    expect((await replay(env, '--reason', 'conflict', '--dry-run')).planned).toEqual({ inbox: 1 })
  })

  it('because it was not understood is looked at anew, and is dead again with the same reason', async () => {
    const { env, service } = await startWith('')
    await post(service.webhookUrl, signedDelivery({ body: '[]' }))
    await waitForDead(env, 1, '--reason', 'unrecognised')
    expect(await replay(env, '--reason', 'unrecognised')).toMatchObject({ replayed: 1 })
    await waitFor('it to be looked at', async () => {
      const [dead] = await jsonOf(['deliveries'], env)
      const [shown] = await jsonOf(['deliveries', 'show', String(dead?.jobId)], env)
      const jobs = shown?.jobs as { replays: number }[] | undefined
      return jobs?.[0]?.replays === 1 && dead?.reason === 'unrecognised'
    })
  })
})

describe('many at once', () => {
  it('are those that match, and a dry run changes none of them', async () => {
    const { env, runs, send, setHandler } = await startWith(FAILS)
    for (const id of ['anl-a', 'anl-b', 'anl-c']) await send(id)
    await waitForDead(env, 3)
    await setHandler('')
    const { stdout } = await runCommand(['replay', '--handler', 'crm', '--dry-run'], env)
    expect(stdout).toBe('nothing was changed; would replay 3 (crm: 3), already waiting 0, not found 0\n')
    expect(await replay(env, '--until', '1h')).toMatchObject({ replayed: 0 })
    expect(await replay(env, '--reason', 'timeout')).toMatchObject({ replayed: 0 })
    expect(await replay(env, '--handler', 'log')).toMatchObject({ replayed: 0 })
    expect(await jsonOf(['deliveries'], env)).toHaveLength(3)
    expect(await replay(env, '--reason', 'permanent', '--since', '1h')).toMatchObject({ replayed: 3 })
    await waitForRuns(runs, 6)
    await waitForDead(env, 0)
  })

  it('keep to the rate', async () => {
    const { env, send } = await startWith(FAILS)
    for (const id of ['a', 'b', 'c', 'd', 'e']) await send(id)
    await waitForDead(env, 5)
    const { seconds } = await replay(env, '--every', '--rate', '4')
    expect(seconds).toBeGreaterThanOrEqual(1)
    expect(seconds).toBeLessThan(3)
  })

  it('stop with a clear text when Redis ends in their midst', async () => {
    const redis = await startRedis()
    await redis.use((client) => fillDeadLetters(client, 'crm', 1000))
    const ended = runCommand(['replay', '--every', '--rate', '100'], { REDIS_URL: redis.url })
    await waitFor('the first ones', () =>
      redis.use(async (client) => (await client.llen('callcov:handler-crm:wait')) > 10),
    )
    await redis.kill()
    const { code, stdout, stderr } = await ended
    expect(stderr).toMatch(
      /^Redis could not go on: .*\nWhat was done until then stays done; run the command again/,
    )
    expect([code, stdout]).toEqual([1, ''])
  })

  it('may be 10,000, each of which its handler then has once', async () => {
    const { redis, env, runs } = await startWith('')
    await redis.use((client) => fillDeadLetters(client, 'crm', 10_000))
    const startedAt = performance.now()
    expect(await replay(env, '--every', '--rate', '100000')).toMatchObject({ replayed: 10_000, code: 0 })
    expect(performance.now() - startedAt).toBeLessThan(30_000)
    const recorded = await waitForRuns(runs, 10_000, 60_000)
    expect(new Set(recorded.map(({ analysisId }) => analysisId))).toHaveProperty('size', 10_000)
    expect(recorded).toHaveLength(10_000)
    await waitForDead(env, 0)
  }, 120_000)
})

describe('a new handler', () => {
  it('is fed what was stored before it came, once, however often that is asked for', async () => {
    const { env, runs, send, setHandler } = await startWith('')
    for (const id of ['old-1', 'old-2']) await send(id)
    await send('old-3', { status: 'failed' })
    await waitForRuns(runs, 3)
    await setHandler('', 'fresh')
    await send('new')
    await waitForRuns(runs, 5)
    const fresh = () => recordedRuns(runs).filter(({ handler }) => handler === 'fresh')

    const feed = ['--feed', '--handler', 'fresh', '--since', '1h']
    expect(await replay(env, ...feed, '--dry-run')).toMatchObject({ planned: { fresh: 3 }, replayed: 0 })
    const completed = await replay(env, ...feed, '--event', 'analysis.completed')
    expect(completed).toMatchObject({
      replayed: 2,
      notes: ['left out: 1 that fresh had or has already; see --all'],
    })
    await waitForRuns(runs, 7)
    expect(fresh().map(({ analysisId }) => analysisId)).toEqual(['new', 'old-1', 'old-2'])
    expect(await replay(env, ...feed)).toMatchObject({ replayed: 1 })
    await waitForRuns(runs, 8)
    await waitFor(
      'all to be done',
      async () => (await jsonOf(['deliveries', '--state', 'waiting'], env)).length === 0,
    )
    expect(await replay(env, ...feed)).toMatchObject({ replayed: 0 })
    expect(await replay(env, ...feed, '--until', '1m')).toMatchObject({ replayed: 0 })
    expect(await replay(env, ...feed, '--all')).toMatchObject({ replayed: 4 })
    await waitForRuns(runs, 12)
    expect(fresh()).toHaveLength(8)
  })

  it('that never had anything is fed by its name and a span alone, and later by --feed', async () => {
    const { env, runs, send, setHandler } = await startWith('')
    for (const id of ['old-1', 'old-2']) await send(id)
    await waitForRuns(runs, 2)
    await setHandler('', 'fresh')
    expect(await replay(env, '--handler', 'fresh', '--since', '1h')).toMatchObject({ replayed: 2 })
    await waitForRuns(runs, 4)
    expect(await replay(env, '--handler', 'fresh', '--since', '1h')).toMatchObject({
      replayed: 0,
      notes: ['nothing of fresh is dead; --feed gives what it never had'],
    })
  })

  it('is given a single delivery by its id', async () => {
    const { env, runs, send, setHandler } = await startWith('')
    await send('old')
    await waitForRuns(runs, 1)
    await setHandler('', 'fresh')
    expect(await replay(env, 'old', '--handler', 'fresh')).toMatchObject({ replayed: 1 })
    expect((await waitForRuns(runs, 2))[1]).toMatchObject({ handler: 'fresh', analysisId: 'old' })
  })
})

/** Lets the worker find a job that has taken too many along. */
async function makeCrashed(redis: RedisServer, jobId: string): Promise<void> {
  const connection = new Redis(redis.socket, { maxRetriesPerRequest: null })
  try {
    const queue = new Queue('handler-crm', { connection, prefix: 'callcov' })
    await connection.hset(queue.toKey(jobId), { stc: 1, crashes: 5 })
    await (await Job.fromId(queue, jobId))?.retry('failed')
  } finally {
    connection.disconnect()
  }
}
