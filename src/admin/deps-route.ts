import type { FastifyInstance } from 'fastify'
import type { Readiness } from '../inbox/readiness.ts'

/**
 * `/health/deps`: how what the service stands on is doing. For people: neither restarts nor traffic should hang on
 * it. `degraded`: webhooks are stored, but a crash of the Redis host may lose the last ones.
 */
export async function depsRoute(
  app: FastifyInstance,
  { readiness }: { readiness: Readiness },
): Promise<void> {
  app.get('/health/deps', async (_request, reply) => {
    const reason = await readiness.unavailableReason()
    const redis = { durable: readiness.durable ?? null, memoryRatio: readiness.memoryRatio ?? null }
    if (reason === undefined) return { status: redis.durable === false ? 'degraded' : 'healthy', redis }
    return reply.status(503).send({ status: 'unhealthy', reason, redis })
  })
}
