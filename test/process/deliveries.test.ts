import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { ENTRY, jsonOf, runCommand } from '../support/command.ts'
import { fillDeadLetters, waitForDead } from '../support/dead-letters.ts'
import { completedAnalysis, post, signedDelivery } from '../support/deliveries.ts'
import { recordingHandler } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'

const JOB_ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{16}/
/** All that a terminal would obey or that would turn or break a line, but for the line's own end. */
const HARMFUL = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u

/** A service on a Redis of its own whose handler crm gives up at once, and what finds the same Redis. */
async function startFailing(does = `throw new PermanentError('the CRM said no')`) {
  const redis = await startRedis()
  const env = { REDIS_URL: redis.url }
  const crm = recordingHandler(join(tempDir(), 'runs'), { name: 'crm', does })
  const service = await startService({ env, handlers: { 'crm.ts': crm } })
  return { redis, env, service }
}

describe('the list of deliveries', () => {
  it('shows what a handler gave up, with the commands that help next', async () => {
    const { env, service } = await startFailing()
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-1' } }))
    const [dead] = await waitForDead(env, 1)
    expect(dead).toMatchObject({ id: 'anl-1', event: 'analysis.completed', handler: 'crm', state: 'dead' })
    expect(dead).toMatchObject({ reason: 'permanent', attempts: 1, failure: 'permanent: the CRM said no' })

    const { code, stdout, stderr } = await runCommand(['deliveries'], env)
    const [head, line] = stdout.split('\n')
    expect(head).toMatch(/^time +id +event +handler +state +reason +attempts +job id$/)
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z  anl-1  analysis\.completed  crm +dead   permanent  1 /)
    expect(line).toContain(dead?.jobId)
    expect(stdout).toContain('1 dead letter\n')
    expect(stdout).toMatch(/deliveries show JOB-ID\n.*replay JOB-ID/)
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })

  it('names what was not understood and conflicts by their reasons, in the inbox', async () => {
    const { env, service } = await startFailing('')
    await post(service.webhookUrl, signedDelivery({ body: 'no JSON' }))
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-2' } }))
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-2', results: { other: true } } }))
    await waitForDead(env, 2)
    const reasons = async (reason: string) => await jsonOf(['deliveries', '--reason', reason], env)
    expect(await reasons('unrecognised')).toMatchObject([{ handler: 'inbox', id: null, event: null }])
    expect(await reasons('conflict')).toMatchObject([{ handler: 'inbox', id: 'anl-2' }])
    expect(await reasons('failed')).toEqual([])
  })

  it('is picked by state, handler, id, event and time, and cut at the limit', async () => {
    const { env, service } = await startFailing(
      `if (event.analysisId !== 'ok') throw new PermanentError('no')`,
    )
    for (const id of ['ok', 'one', 'two', 'three']) {
      await post(service.webhookUrl, signedDelivery({ fields: { id } }))
    }
    await waitForDead(env, 3)
    const idsOf = async (...args: string[]) =>
      (await jsonOf(['deliveries', ...args], env)).map(({ id }) => id)
    expect((await idsOf()).toSorted()).toEqual(['one', 'three', 'two'])
    expect(await idsOf('--handler', 'crm', '--id', 'two')).toEqual(['two'])
    expect(await idsOf('--handler', 'log')).toEqual([])
    expect(await idsOf('--state', 'done', '--handler', 'crm')).toEqual(['ok'])
    expect(await idsOf('--state', 'waiting')).toEqual([])
    expect(await idsOf('--since', '5m')).toHaveLength(3)
    expect(await idsOf('--until', '5m')).toEqual([])
    expect(await idsOf('--since', '2020-01-01', '--until', '2020-01-02T03:04Z')).toEqual([])
    expect(await idsOf('--event', 'analysis.failed')).toEqual([])
    expect(await idsOf('--event', 'analysis.completed')).toHaveLength(3)
    const { stdout } = await runCommand(['deliveries', '--limit', '2'], env)
    expect(stdout).toContain('the newest 2 of 3 dead letters; see --limit')
  })

  it('prints an id of control characters, escapes and 10 kB so that a terminal takes no harm, whole in JSON', async () => {
    const { env, service } = await startFailing()
    const escapes = '\u001b[2J\u009b31m\u202e\u2028\u0007\r\n\t\u0000'
    const hostile = `${escapes}${'x'.repeat(10_000)}`
    const half = '\ud800'
    for (const id of [hostile, `${half}${escapes}`]) {
      await post(service.webhookUrl, signedDelivery({ fields: { id, call: { agent_id: id } } }))
    }
    const ids = (await waitForDead(env, 2)).map(({ id }) => id)
    expect(ids).toContain(hostile)

    for (const args of [[], ['--json'], ['--id', 'gone'], ['show', escapes.replaceAll('\0', '')]]) {
      const { stdout, stderr } = await runCommand(['deliveries', ...args], env)
      expect(stdout + stderr, args.join(' ')).not.toMatch(HARMFUL)
    }
    const { stdout } = await runCommand(['deliveries'], env)
    expect(stdout).toContain(String.raw`  \u001b[2J\u009b31m\u202e\u2028\u0007\r\…  `)
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(200)

    const [{ jobId } = {}] = await jsonOf(['deliveries', '--limit', '1'], env)
    const shown = await runCommand(['deliveries', 'show', String(jobId)], env)
    expect(shown.stdout).not.toMatch(HARMFUL)
  })

  it('ends quietly when its reader has seen enough', async () => {
    const redis = await startRedis()
    await redis.use((client) => fillDeadLetters(client, 'crm', 2000))
    const command = `"$0" "$1" deliveries --json --limit 2000 | head -n 1 | wc -l`
    const { stdout, stderr } = spawnSync('sh', ['-c', command, process.execPath, ENTRY], {
      env: { PATH: process.env.PATH, REDIS_URL: redis.url },
      encoding: 'utf8',
    })
    expect(stdout.trim()).toBe('1')
    expect(stderr).toBe('')
  })

  it('lists 10,000 dead letters in less than a second', async () => {
    const redis = await startRedis()
    const env = { REDIS_URL: redis.url }
    await redis.use((client) => fillDeadLetters(client, 'crm', 10_000))
    const startMs = await wallClockMs(['--help'], env)
    expect((await wallClockMs(['deliveries'], env)) - startMs).toBeLessThan(1000)
    expect((await wallClockMs(['deliveries', '--id', 'anl-0'], env)) - startMs).toBeLessThan(1500)

    const { stdout } = await runCommand(['deliveries'], env)
    expect(stdout).toContain('the newest 50 of 10,000 dead letters; see --limit')
    expect(stdout).toContain('anl-9999')
    const all = await jsonOf(['deliveries', '--limit', '20000'], env)
    expect(all.map(({ id }) => id)).toEqual(
      Array.from({ length: 10_000 }, (_, index) => `anl-${9999 - index}`),
    )
  })
})

describe('one delivery', () => {
  it('is shown with its facts, the failure and where it happened, by each of its ids', async () => {
    const { env, service } = await startFailing()
    const delivery = signedDelivery({ fields: { id: 'anl-3' } })
    await post(service.webhookUrl, delivery)
    const [dead] = await waitForDead(env, 1)
    const { code, stdout } = await runCommand(['deliveries', 'show', 'anl-3'], env)
    expect(stdout).toContain(`${Buffer.byteLength(delivery.body)} bytes, sha256 ${String(dead?.sha256)}`)
    expect(stdout).toMatch(/inbox +done +1 +0 /)
    expect(stdout).toMatch(/crm +dead +1 +0 /)
    expect(stdout).toMatch(/log +done +1 +0 /)
    expect(stdout).toMatch(/crm failed last with\n  permanent: the CRM said no\n      at .*crm\.ts/)
    expect(stdout).toMatch(new RegExp(`replay ${String(dead?.jobId)}`))
    expect(code).toBe(0)

    const deliveryId = /delivery id +([0-9a-f]{64})/.exec(stdout)?.[1] ?? ''
    for (const id of [deliveryId, String(dead?.jobId)]) {
      expect((await runCommand(['deliveries', 'show', id], env)).stdout).toBe(stdout)
    }
    const [object] = await jsonOf(['deliveries', 'show', 'anl-3'], env)
    expect(object).toMatchObject({ id: 'anl-3', deliveryId, origin: 'webhook', jobId: dead?.jobId })
    expect(object?.jobs).toMatchObject([{ handler: 'inbox' }, { handler: 'crm', reason: 'permanent' }, {}])
  })

  it('gives back its body byte for byte, and nothing else', async () => {
    const { env, service } = await startFailing()
    const body = Buffer.from(`\uFEFF \n${JSON.stringify({ ...completedAnalysis(), id: 'anl-4' })}\r\n\t€`)
    await post(service.webhookUrl, signedDelivery({ body }))
    const broken = Buffer.from([0xff, 0x00, 0x0a])
    await post(service.webhookUrl, signedDelivery({ body: broken }))
    const dead = await waitForDead(env, 2)
    const bodies = await Promise.all(
      dead.map(({ jobId }) => runCommand(['deliveries', 'show', String(jobId), '--body'], env)),
    )
    expect(bodies.map(({ bytes }) => bytes.toString('hex')).toSorted()).toEqual(
      [body, broken].map((bytes) => bytes.toString('hex')).toSorted(),
    )
    expect(bodies.map(({ stderr, code }) => stderr + String(code))).toEqual(['0', '0'])
  })

  it('is named by its job id where an analysis has several', async () => {
    const { env, service } = await startFailing('')
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-5' } }))
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-5', results: {} } }))
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-5', status: 'failed' } }))
    const [conflict] = await waitForDead(env, 1, '--reason', 'conflict')
    const shown = await jsonOf(['deliveries', 'show', 'anl-5'], env)
    expect(shown.map(({ event }) => event).toSorted()).toEqual([
      'analysis.completed',
      'analysis.completed',
      'analysis.failed',
    ])
    const { code, stdout, stderr } = await runCommand(['deliveries', 'show', 'anl-5', '--body'], env)
    expect(stdout).toBe('')
    expect(stderr.match(new RegExp(JOB_ID, 'g'))).toHaveLength(3)
    expect(stderr).toContain(conflict?.jobId)
    expect(code).toBe(2)
  })

  it('that nobody knows is said to be gone, perhaps, with code 1', async () => {
    const redis = await startRedis()
    const { code, stdout, stderr } = await runCommand(['deliveries', 'show', 'nobody'], {
      REDIS_URL: redis.url,
    })
    expect(stderr).toMatch(/^nobody: nothing is stored .* KEEP_COMPLETED or KEEP_DEAD\n$/)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })
})

describe('used wrongly', () => {
  test.each([
    [['deliveries', '--state', 'lost'], 'dead, waiting, done'],
    [['deliveries', '--reason', 'bad luck'], 'unrecognised'],
    [['deliveries', '--reason', 'failed', '--state', 'done'], '--reason is for dead letters'],
    [['deliveries', '--since', 'yesterday'], '2h'],
    [['deliveries', '--since', '1h', '--until', '2h'], '--since is later than --until'],
    [['deliveries', '--limit', '0'], '--limit'],
    [['deliveries', 'list'], 'list'],
    [['deliveries', '--handler', 'nobody'], 'Known are: crm, inbox'],
    [['deliveries', 'show'], 'id'],
    [['deliveries', 'show', 'x', '--body', '--json'], '--body'],
    [['replay'], '--every'],
    [['replay', 'x', '--since', '1h'], 'With IDs'],
    [['replay', 'x', '--all', '--handler', 'crm'], '--all and --handler'],
    [['replay', 'x', '--handler', 'nobody'], 'Known are: crm'],
    [['replay', '--all'], '--all needs IDs'],
    [['replay', '--feed', '--since', '1h'], '--feed needs --handler'],
    [['replay', '--feed', '--handler', 'crm'], '--feed needs --since'],
    [['replay', '--every', '--rate', '0'], '--rate'],
    [['discard'], 'id'],
    [['discard', ''], 'must not be empty'],
    [['forget'], "missing required argument 'id'"],
    [['forget', 'a', 'b'], 'too many arguments'],
  ])('%j ends with code 2 and says why', async (args, said) => {
    const redis = await startRedis()
    await redis.use((client) => client.sadd('callcov:handlers', 'crm'))
    const { code, stdout, stderr } = await runCommand(args, { REDIS_URL: redis.url })
    expect(stderr).toContain(said)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })
})

describe('the Redis of the settings', () => {
  const EACH_COMMAND = [
    ['deliveries'],
    ['deliveries', 'show', 'x'],
    ['replay', 'x'],
    ['replay', '--every'],
    ['discard', 'x', '--yes'],
    ['forget', 'x', '--yes'],
  ]

  it('is the private one of a service that runs on the same data directory', async () => {
    const crm = recordingHandler(join(tempDir(), 'runs'), {
      name: 'crm',
      does: `throw new PermanentError('no')`,
    })
    const service = await startService({ handlers: { 'crm.ts': crm } })
    await post(service.webhookUrl, signedDelivery({ fields: { id: 'anl-6' } }))
    expect(await waitForDead({ DATA_DIR: service.dataDir }, 1)).toMatchObject([{ id: 'anl-6' }])
  })

  test.each(EACH_COMMAND)('is missed by %s %s %s when no service runs, with what to do', async (...args) => {
    const dir = tempDir()
    const { code, stdout, stderr } = await runCommand(args, { DATA_DIR: dir })
    expect(stderr).toBe(`no service runs on ${dir}; start it with npm start, or set REDIS_URL\n`)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })

  it('is named without its password when it cannot be reached', async () => {
    const { code, stderr } = await runCommand(['deliveries'], { REDIS_URL: 'redis://:p4ssw0rd@127.0.0.1:1' })
    expect(stderr).toBe('The Redis at 127.0.0.1:1 cannot be used: ECONNREFUSED\n')
    expect(code).toBe(1)
  })

  it('is given up within 5 s when it does not answer', async () => {
    const redis = await startRedis()
    redis.freeze()
    const startMs = await wallClockMs(['--help'], {})
    const startedAt = performance.now()
    const { code, stderr } = await runCommand(['replay', '--every'], { REDIS_URL: redis.url })
    expect(performance.now() - startedAt).toBeLessThan(startMs + 5500)
    expect(stderr).toBe(`The Redis at ${redis.socket} cannot be used: no answer\n`)
    expect(code).toBe(1)
  })

  it('is all that a tool asks the settings for: neither secret nor port keeps it from its work', async () => {
    const redis = await startRedis()
    const env = {
      REDIS_URL: redis.url,
      NODE_ENV: 'production',
      PORT: 'none',
      CALLCOV_WEBHOOK_SECRET: 'short',
    }
    expect(await runCommand(['deliveries'], env)).toMatchObject({ code: 0, stdout: 'no dead letters\n' })
  })
})

async function wallClockMs(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const startedAt = performance.now()
  await runCommand(args, env)
  return performance.now() - startedAt
}
