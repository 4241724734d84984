import type { FastifyInstance } from 'fastify'
import type { Readiness } from './inbox/readiness.ts'

/** `/health/live`: the process runs. `/health/ready`: a webhook sent now would be stored. */
export async function healthRoutes(
  app: FastifyInstance,
  { readiness }: { readiness: Readiness },
): Promise<void> {
  app.get('/health/live', async () => ({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    const reason = await readiness.unavailableReason()
    if (reason === undefined) return { status: 'ready' }
    return reply.status(503).send({ status: 'unavailable', reason })
  })
}
