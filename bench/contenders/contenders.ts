import { BenchError } from '../bench-error.ts'
import type { BenchRedis } from '../processes/bench-redis.ts'
import type { Contender } from './contender.ts'
import { debianWebhook } from './debian-webhook.ts'
import { flaskCelery } from './flask-celery.ts'
import { startNodeServer } from './node-server.ts'
import { BenchService } from './service.ts'

const KEEPS_ALL = { signature: true, durable: true, deduplicated: true, rawBytes: true }

const receiver: Contender = {
  id: 'receiver',
  title: 'ours, `receiver` alone',
  guarantees: { ...KEEPS_ALL, note: 'time limits, logs and metrics included' },
  usesRedis: true,
  async start(site, redis) {
    const service = await BenchService.start(site, { role: 'receiver', redis: expectRedis(redis) })
    return {
      port: service.port,
      parts: [{ name: 'receiver', group: service.process.pid, which: 'all' }],
      expectAlive: () => service.process.expectAlive(),
      stop: () => service.stop(),
    }
  },
}

const all: Contender = {
  id: 'all',
  title: 'ours, `all`, draining',
  guarantees: { ...KEEPS_ALL, note: 'meanwhile the worker hands each webhook to the handler `log`' },
  usesRedis: true,
  async start(site, given) {
    const redis = expectRedis(given)
    const service = await BenchService.start(site, { role: 'all', redis })
    const group = service.process.pid
    return {
      port: service.port,
      parts: [
        { name: 'receiver', group, which: 'first' },
        { name: 'worker', group, which: 'others' },
      ],
      countBacklog: async () => {
        const lists = ['inbox', 'handler-log'].flatMap((queue) => [`${queue}:wait`, `${queue}:active`])
        const lengths = await Promise.all(lists.map((list) => redis.client.llen(`callcov:${list}`)))
        return lengths.reduce((sum, length) => sum + length, 0)
      },
      expectAlive: () => service.process.expectAlive(),
      stop: () => service.stop(),
    }
  },
}

const limit: Contender = {
  id: 'limit',
  title: 'the limit: node:http',
  guarantees: {
    ...KEEPS_ALL,
    note: 'nothing else: no limits of size or time, no log, no metrics, no worker',
  },
  usesRedis: true,
  start: (site, redis) => startNodeServer('./limit-server.ts', site, redis),
}

const fastify: Contender = {
  id: 'fastify',
  title: 'Fastify, does nothing',
  guarantees: {
    signature: false,
    durable: false,
    deduplicated: false,
    rawBytes: false,
    note: 'reads the body and answers: the ceiling of the framework',
  },
  usesRedis: false,
  start: (site) => startNodeServer('./fastify-server.ts', site, undefined),
}

const express: Contender = {
  id: 'express',
  title: 'Express, BullMQ',
  guarantees: {
    signature: true,
    durable: true,
    deduplicated: false,
    rawBytes: false,
    note: 'no worker runs beside it',
  },
  usesRedis: true,
  start: (site, redis) => startNodeServer('./express-server.ts', site, redis),
}

/** In the order in which they take turns: what is compared most closely stands side by side. */
export const CONTENDERS: readonly Contender[] = [
  receiver,
  limit,
  all,
  express,
  fastify,
  debianWebhook,
  flaskCelery,
]

function expectRedis(redis: BenchRedis | undefined): BenchRedis {
  if (redis === undefined) throw new BenchError('This contender needs a Redis.')
  return redis
}
