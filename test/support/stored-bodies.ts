import { createHash } from 'node:crypto'
import { pino } from 'pino'
import { expect } from 'vitest'
import { readDelivery } from '../../src/inbox/delivery-reader.ts'
import { PayloadKeys } from '../../src/inbox/payload-keys.ts'
import type { Delivery } from './deliveries.ts'
import type { TestReceiver } from './receiver.ts'
import type { RedisServer } from './redis-server.ts'
import { waitFor } from './wait.ts'

const NO_KEYS = new PayloadKeys()
const SILENT = pino({ enabled: false })

export function sha256(body: string | Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}

/** Reads back what a receiver of `startReceiver` stored, by the digest of the body. */
export async function readStored(redis: RedisServer): Promise<Map<string, Buffer>> {
  return await redis.use(async (client) => {
    const keys = (await client.keys('test:inbox:????????-*')).map((key) => key.slice('test:inbox:'.length))
    const stored = new Map<string, Buffer>()
    for (const jobId of keys) {
      const read = await readDelivery({ redis: client, prefix: 'test', keys: NO_KEYS, log: SILENT }, jobId)
      if (!read.ok) throw new Error(`${jobId}: ${read.problem}`)
      expect(jobId.slice(37)).toBe(sha256(read.delivery.rawBody).slice(0, 16))
      stored.set(sha256(read.delivery.rawBody), read.delivery.rawBody)
    }
    return stored
  })
}

/** Every delivery can be read back byte for byte, and nothing else is there. */
export async function expectStoredExactly(
  redis: RedisServer,
  receiver: TestReceiver,
  deliveries: readonly Pick<Delivery, 'body'>[],
): Promise<void> {
  const bodies = new Map(deliveries.map(({ body }) => [sha256(body), Buffer.from(body)]))
  await waitFor('a log line each', () => {
    return receiver.logLines.filter((line) => line.msg === 'webhook stored').length >= bodies.size
  })
  const stored = await readStored(redis)
  expect([...stored.keys()].toSorted()).toEqual([...bodies.keys()].toSorted())
  for (const [digest, body] of bodies) expect(stored.get(digest)?.equals(body)).toBe(true)
}
