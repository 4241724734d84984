import Fastify, { LogController, type FastifyInstance } from 'fastify'
import type { Readiness } from '../inbox/readiness.ts'
import type { Logger } from '../log.ts'
import { healthRoutes } from '../health-routes.ts'
import { depsRoute } from './deps-route.ts'
import { shareRun } from './share-run.ts'

/** Longer than a proxy or Prometheus keeps an idle connection. */
const KEEP_ALIVE_MS = 72_000

export interface AdminOptions {
  /** The metrics of the whole service, in Prometheus' text format. */
  readonly metrics: () => Promise<string>
  readonly readiness: Readiness
  readonly log: Logger
}

/** The private listener: for Prometheus and for whoever is on call. It never listens or stops by itself. */
export function buildAdmin({ metrics, readiness, log }: AdminOptions): FastifyInstance {
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
  }) as unknown as FastifyInstance
  app.setNotFoundHandler(async (_request, reply) => reply.status(404).send({ error: 'Not found' }))
  app.setErrorHandler(async (error, request, reply) => {
    request.log.error({ err: error }, 'unexpected error')
    return reply.status(500).send({ error: 'Internal error' })
  })
  // Gauges are set anew for each scrape: one that began meanwhile would be given a half of them.
  const scrape = shareRun(metrics)
  app.get('/metrics', async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return await scrape()
  })
  app.register(healthRoutes, { readiness })
  app.register(depsRoute, { readiness })
  return app
}
