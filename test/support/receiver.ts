import { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { UnavailableReason } from '../../src/errors.ts'
import { Inbox } from '../../src/inbox/inbox.ts'
import { PayloadKeys } from '../../src/inbox/payload-keys.ts'
import { Readiness } from '../../src/inbox/readiness.ts'
import { connectForAccepting } from '../../src/inbox/redis-connection.ts'
import { createReceiverMetrics } from '../../src/metrics.ts'
import { buildReceiver, type ServedSource } from '../../src/receiver/app.ts'
import { callcov } from '../../src/sources/callcov/index.ts'
import { SECRET } from './deliveries.ts'
import type { RedisServer } from './redis-server.ts'
import { waitFor } from './wait.ts'

export interface TestReceiver {
  readonly app: FastifyInstance
  readonly readiness: Readiness
  /** Address of its listener, on a free port. */
  readonly url: string
  readonly logLines: Record<string, unknown>[]
}

/** The public listener in this process, on a real Redis and a real port; it closes with the test. */
export async function startReceiver(
  redis: Pick<RedisServer, 'url'>,
  options: {
    bodyLimitBytes?: number
    answerWithinMs?: number
    /** Of CallCov, unless `sources` says what is served. */
    secrets?: string[]
    sources?: readonly ServedSource[]
    /** Why it is expected to refuse; by default it is expected to accept. */
    expectReason?: UnavailableReason
  } = {},
): Promise<TestReceiver> {
  const logLines: Record<string, unknown>[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logLines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      done()
    },
  })
  const log = pino({ level: 'debug' }, sink)
  const answerWithinMs = options.answerWithinMs ?? 4000
  const connection = connectForAccepting(redis.url, answerWithinMs, log)
  const readiness = new Readiness(connection, log)
  const inbox = new Inbox({
    redis: connection,
    readiness,
    prefix: 'test',
    dedupeTtlMs: 8 * 3_600_000,
    keys: new PayloadKeys(),
    log,
  })
  const app = buildReceiver({
    inbox,
    readiness,
    sources: options.sources ?? [{ source: callcov, secrets: { current: options.secrets ?? [SECRET] } }],
    bodyLimitBytes: options.bodyLimitBytes ?? 10 * 1024 * 1024,
    answerWithinMs,
    metrics: createReceiverMetrics(),
    log,
  })
  onTestFinished(async () => {
    await app.close()
    readiness.close()
    connection.disconnect()
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await waitFor('the receiver to reach Redis', () => readiness.refusal() === options.expectReason)
  return { app, readiness, url, logLines }
}
