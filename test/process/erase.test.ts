import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonOf, runCommand } from '../support/command.ts'
import { waitForDead } from '../support/dead-letters.ts'
import { completedAnalysis, post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** Of the transcript, and quoted by the handler's error. */
const WORD = 'ZANZIBAR'
const QUOTES = 'throw new PermanentError(event.transcript.text)'

async function startWith(does: string, ...redisOptions: string[]) {
  const redis = await startRedis(...redisOptions)
  const runs = join(tempDir(), 'runs')
  const env = { REDIS_URL: redis.url }
  const handlers = { 'crm.ts': recordingHandler(runs, { name: 'crm', does }) }
  const service = await startService({ env, handlers })
  return { redis, env, service, runs }
}

/** Small enough not to be compressed, so that its stored text can be looked for. */
function spoken(id: string, word = WORD) {
  const { object: _object, audio: _audio, ...rest } = completedAnalysis()
  return signedDelivery({ body: JSON.stringify({ ...rest, id, transcript: { text: word, segments: [] } }) })
}

/** The names of the files below a folder that hold any of these texts. */
function filesHolding(dir: string, ...texts: string[]): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => texts.some((text) => readFileSync(path).includes(text)))
}

describe('discard', () => {
  it('shows what it would remove, and removes it for good with --yes', async () => {
    const { env, service } = await startWith(QUOTES)
    const delivery = spoken('anl-1')
    await post(service.webhookUrl, delivery)
    await post(service.webhookUrl, signedDelivery({ body: 'no JSON' }))
    await waitForDead(env, 2)

    const asked = await runCommand(['discard', 'anl-1'], env)
    expect(asked.stdout).toMatch(/anl-1 +crm +permanent/)
    expect(asked.stdout).toContain('nothing was removed; add --yes')
    expect(asked.code).toBe(2)
    expect(await jsonOf(['deliveries'], env)).toHaveLength(2)

    const { code, stdout } = await runCommand(['discard', 'anl-1', '--yes'], env)
    expect(stdout).toContain('removed 1\n')
    expect(code).toBe(0)
    const [left] = await waitForDead(env, 1)
    expect(left).toMatchObject({ reason: 'unrecognised' })
    expect(await jsonOf(['discard', String(left?.jobId), '--yes'], env)).toMatchObject([{ removed: 1 }])
    await waitForDead(env, 0)
    expect(await runCommand(['discard', String(left?.jobId), '--yes'], env)).toMatchObject({ code: 1 })

    await post(service.webhookUrl, delivery)
    await waitFor(
      'the answer to be logged',
      () => service.logLines({ outcome: 'duplicate', id: 'anl-1' }).length === 1,
    )
    expect(await jsonOf(['deliveries'], env)).toEqual([])
  })

  it('keeps to the handler that is named', async () => {
    const { env, service } = await startWith(QUOTES)
    await post(service.webhookUrl, spoken('anl-2'))
    await waitForDead(env, 1)
    const args = ['discard', 'anl-2', '--yes', '--handler']
    expect(await runCommand([...args, 'log'], env)).toMatchObject({
      code: 0,
      stdout: 'nothing of it is dead\n',
    })
    expect(await runCommand([...args, 'nobody'], env)).toMatchObject({ code: 2 })
    await waitForDead(env, 1)
    expect(await runCommand([...args, 'crm'], env)).toMatchObject({ code: 0 })
    await waitForDead(env, 0)
  })
})

describe('forget', () => {
  it('leaves no trace of an analysis in any file of Redis, and its next delivery is still a duplicate', async () => {
    const { redis, env, service, runs } = await startWith(QUOTES)
    const [delivery, conflict] = [spoken('anl-3'), spoken('anl-3', `${WORD} again`)]
    await post(service.webhookUrl, delivery)
    await post(service.webhookUrl, conflict)
    await post(service.webhookUrl, spoken('anl-4', 'MADAGASCAR'))
    await waitForDead(env, 3)
    const traces = [
      WORD,
      'anl-3',
      ...[delivery, conflict].map(({ body }) => Buffer.from(body).toString('base64')),
    ]
    for (const trace of traces) expect(filesHolding(redis.dir, trace), trace).not.toEqual([])

    const asked = await runCommand(['forget', 'anl-3'], env)
    expect(asked.stdout).toBe('2 deliveries stored under this id; add --yes to erase for good\n')
    expect(asked.code).toBe(2)
    const { code, stdout, stderr } = await runCommand(['forget', 'anl-3', '--yes'], env)
    expect(stdout).toBe(
      'erased 2 deliveries; dedupe keys stay, so that it is not stored again\n' +
        'Redis has rewritten its file: nothing of it is left on disk\n',
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(filesHolding(redis.dir, ...traces)).toEqual([])
    expect(filesHolding(redis.dir, 'MADAGASCAR')).not.toEqual([])

    await post(service.webhookUrl, delivery)
    await waitFor(
      'the answer to be logged',
      () => service.logLines({ outcome: 'duplicate', id: 'anl-3' }).length === 1,
    )
    expect(filesHolding(redis.dir, ...traces)).toEqual([])
    expect(await runCommand(['deliveries', 'show', 'anl-3'], env)).toMatchObject({ code: 1 })
    expect((await waitForDead(env, 1))[0]).toMatchObject({ id: 'anl-4' })
    expect(recordedRuns(runs)).toHaveLength(2)
  })

  it('leaves what a handler is working on as it is, and says to try again', async () => {
    const { env, service, runs } = await startWith('await sleep(60_000)')
    await post(service.webhookUrl, spoken('anl-5'))
    await waitForRuns(runs, 1)
    const { code, stdout } = await runCommand(['forget', 'anl-5', '--yes'], env)
    expect(stdout).toContain(
      'left as it is: 1 delivery that a handler is working on; try again when it is done',
    )
    expect(code).toBe(1)
    const [shown] = await jsonOf(['deliveries', 'show', 'anl-5'], env)
    expect(shown?.jobs).toMatchObject([{ handler: 'inbox' }, { state: 'running' }, { handler: 'log' }])
  })

  it('says so when nothing is stored under an id', async () => {
    const redis = await startRedis()
    const { code, stdout } = await runCommand(['forget', 'nobody', '--yes'], { REDIS_URL: redis.url })
    expect(stdout).toContain('nothing is stored under this id (any more)')
    expect(code).toBe(1)
  })

  it('says what to do when Redis keeps no append-only file that it could rewrite', async () => {
    const { env, service } = await startWith(QUOTES, '--appendonly', 'no')
    await post(service.webhookUrl, spoken('anl-6'))
    await waitForDead(env, 1)
    const { code, stdout } = await runCommand(['forget', 'anl-6', '--yes'], env)
    expect(stdout).toContain('erased 1 delivery')
    expect(stdout).toContain('the bytes are still on disk')
    expect(stdout).toContain('BGSAVE')
    expect(code).toBe(1)
  })
})
