import type { FastifyInstance } from 'fastify'
import type { Inbox } from '../inbox/inbox.ts'

/** `/health/live`: the process runs. `/health/ready`: a webhook sent now would be stored. */
export async function healthRoutes(app: FastifyInstance, { inbox }: { inbox: Inbox }): Promise<void> {
  app.get('/health/live', async () => ({ status: 'ok' }))
  app.get('/health/ready', async (_request, reply) => {
    const reason = await inbox.unavailableReason()
    if (reason === undefined) return { status: 'ready' }
    return reply.status(503).send({ status: 'unavailable', reason })
  })
}
