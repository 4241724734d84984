import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { CANARIES } from '../support/canary.ts'
import { jsonOf, runCommand } from '../support/command.ts'
import { waitForDead } from '../support/dead-letters.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const newKey = () => randomBytes(32).toString('base64')
/** What a handler might throw: the text it worked on. */
const QUOTING = `if (event.call.agentId === 'quote') throw new PermanentError('cannot store: ' + event.transcript.text)`
const failing = { fields: { id: 'quoted', call: { agent_id: 'quote' } } }

it('keeps bodies and error texts so that nothing in Redis can be read, and shows them to who has the key', async () => {
  const redis = await startRedis()
  const env = { REDIS_URL: redis.url, PAYLOAD_KEY: newKey() }
  const runs = join(tempDir(), 'runs')
  const service = await startService({
    env,
    handlers: { 'recorder.ts': recordingHandler(runs, { does: QUOTING }) },
  })
  await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
  const delivery = signedDelivery(failing)
  for (const each of [
    delivery,
    signedDelivery(),
    signedDelivery({ body: `no JSON, ${CANARIES.transcript}` }),
  ]) {
    expect((await post(service.webhookUrl, each)).status).toBe(200)
  }
  await waitForDead(env, 2)
  const values = await redis.use(everyValue)
  expect(values.length).toBeGreaterThan(20)
  expect(values.filter((value) => value.includes(CANARIES.transcript))).toEqual([])

  const shown = await runCommand(['deliveries', 'show', 'quoted', '--body'], env)
  expect(shown.stdout).toBe(delivery.body)
  expect((await runCommand(['deliveries', 'show', 'quoted'], env)).stdout).toContain(CANARIES.transcript)
  const closed = await runCommand(['deliveries', 'show', 'quoted'], { REDIS_URL: redis.url })
  expect(closed.stdout).toContain('PAYLOAD_KEY')
  expect(closed.stdout).not.toContain(CANARIES.transcript)
})

it('gives a body back that it has no key for, makes it a dead letter in the end, and runs it with the key', async () => {
  const redis = await startRedis()
  const [first, second] = [newKey(), newKey()]
  const runs = join(tempDir(), 'runs')
  const handlers = { 'recorder.ts': recordingHandler(runs) }
  const start = async (key: string | undefined, role: string) => {
    const env = {
      REDIS_URL: redis.url,
      ROLE: role,
      PAYLOAD_KEY: key,
      HANDLER_ATTEMPTS: '3',
      HANDLER_BACKOFF: '50ms',
    }
    return await startService({ env, handlers })
  }
  const receiver = await start(first, 'receiver')
  await waitFor('an acknowledged webhook', async () => (await post(receiver.webhookUrl, signedDelivery())).ok)

  const without = await start(second, 'worker')
  const env = { REDIS_URL: redis.url, PAYLOAD_KEY: first }
  const [dead] = await waitForDead(env, 1, '--reason', 'unreadable')
  expect(dead?.attempts).toBe(3)
  expect(without.output).not.toContain('the worker ended')
  await without.stop()

  await start(`${second},${first}`, 'worker')
  await runCommand(['replay', '--reason', 'unreadable'], env)
  await waitForRuns(runs, 1)
  expect(await jsonOf(['deliveries'], env)).toEqual([])
})

/** Every text that Redis holds in any key, also what it is when decoded and decompressed. */
async function everyValue(redis: Redis): Promise<string[]> {
  const texts: string[] = []
  for (const key of await redis.keys('*')) texts.push(key, ...(await valuesOf(redis, key)))
  return texts.flatMap((text) => [text, ...decoded(text)])
}

async function valuesOf(redis: Redis, key: string): Promise<string[]> {
  const type = await redis.type(key)
  if (type === 'hash') return Object.entries(await redis.hgetall(key)).flat()
  if (type === 'list') return await redis.lrange(key, 0, -1)
  if (type === 'zset') return await redis.zrange(key, '0', '-1')
  if (type === 'set') return await redis.smembers(key)
  if (type === 'stream') return (await redis.xrange(key, '-', '+')).flatMap(([, fields]) => fields)
  return [(await redis.get(key)) ?? '']
}

function decoded(text: string): string[] {
  const bytes = Buffer.from(text.replaceAll('"', ''), 'base64')
  try {
    return [bytes.toString('latin1'), zstdDecompressSync(bytes).toString('latin1')]
  } catch {
    return [bytes.toString('latin1')]
  }
}
