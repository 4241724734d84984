import { totalmem } from 'node:os'
import type { Redis } from 'ioredis'
import type { UnavailableReason } from '../errors.ts'

/** Taken for `maxmemory` where none is set. */
const MEMORY_SHARE_OF_MACHINE = 0.6

/** What INFO tells of whether Redis can take and keep a webhook. */
export interface RedisInfo {
  /** As `performance.now()` tells it: the clock on the wall may jump. */
  readonly readAt: number
  /** Why it cannot, if so. */
  readonly reason: UnavailableReason | undefined
  readonly usedBytes: number
  readonly limitBytes: number
  readonly hasOwnLimit: boolean
  readonly appendOnly: boolean
  readonly policy: string
}

export async function readRedisInfo(redis: Redis): Promise<RedisInfo> {
  const fields = parseFields(await redis.info())
  const limit = Number(fields.get('maxmemory'))
  const machine = Number(fields.get('total_system_memory')) || totalmem()
  return {
    readAt: performance.now(),
    reason: reasonIn(fields),
    usedBytes: Number(fields.get('used_memory')),
    limitBytes: limit > 0 ? limit : machine * MEMORY_SHARE_OF_MACHINE,
    hasOwnLimit: limit > 0,
    appendOnly: fields.get('aof_enabled') === '1',
    policy: fields.get('maxmemory_policy') ?? 'unknown',
  }
}

function reasonIn(fields: ReadonlyMap<string, string>): UnavailableReason | undefined {
  if (fields.get('loading') === '1') return 'redis-loading'
  if (fields.get('role') === 'slave') return 'redis-read-only'
  if (fields.get('aof_last_write_status') === 'err') return 'redis-write-error'
  if (fields.get('maxmemory_policy')?.startsWith('allkeys-')) return 'redis-evicts'
  return undefined
}

function parseFields(text: string): Map<string, string> {
  const lines = text.split('\r\n').map((line) => line.split(':', 2))
  return new Map(lines.filter((parts): parts is [string, string] => parts.length === 2))
}
