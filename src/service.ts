import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import packageJson from '../package.json' with { type: 'json' }
import { buildAdmin } from './admin/app.ts'
import { updateServiceMetrics } from './admin/service-metrics.ts'
import type { Config } from './config.ts'
import { ensureDevelopmentSecret } from './development-secrets.ts'
import { errorCode, StartError } from './errors.ts'
import { startEmbeddedRedis, type EmbeddedRedis } from './inbox/embedded-redis.ts'
import { Inbox } from './inbox/inbox.ts'
import { PayloadKeys } from './inbox/payload-keys.ts'
import { QueueStatsReader } from './inbox/queue-stats.ts'
import { Readiness } from './inbox/readiness.ts'
import { connectForAccepting } from './inbox/redis-connection.ts'
import type { Logger } from './log.ts'
import { createReceiverMetrics, createServiceMetrics } from './metrics.ts'
import { buildReceiver, type ServedSource } from './receiver/app.ts'
import type { RotatingSecrets } from './secrets.ts'
import { sources } from './sources/sources.ts'
import { watchPayloadKeys, watchSecrets } from './watch-secrets.ts'
import { WORKER_COMMAND } from './worker/messages.ts'
import { Supervisor } from './worker/supervisor.ts'
import { watchHandlers } from './worker/watch-handlers.ts'

/** Of the grace: what is left for ending processes by force and for Redis. */
const STOP_RESERVE_MS = 5000
/** Connections that the system keeps until they are taken: a burst waits there instead of being sent again. */
const BACKLOG = 4096
/** For what runs when a handler file changes. */
const RELOAD_GRACE_MS = 5000

export interface ServiceOptions {
  readonly config: Config
  readonly log: Logger
  /** Passes on a line that the worker process has logged. */
  readonly writeLogLine: (line: string) => void
  /** The file that runs this service, for the worker process. */
  readonly entry: string
  readonly environment: NodeJS.ProcessEnv
  /** Told when the service can no longer do its work, with what the operator can do. */
  readonly onFatal: (message: string) => void
}

/** What a running service tells about itself. */
export interface ServiceFacts {
  /** Where the public listener is; `undefined` in ROLE=worker. */
  readonly url: string | undefined
  /** Where the private listener is; `undefined` when its port was taken outside production. */
  readonly adminUrl: string | undefined
  /** Names of the loaded handlers; empty in ROLE=receiver. */
  readonly handlers: readonly string[]
  /** The main path of each source that is served; empty in ROLE=worker. */
  readonly webhookPaths: readonly string[]
  /** Of secrets that were made here, because none was configured outside production. */
  readonly developmentSecretFiles: readonly string[]
}

/** The way of a webhook as processes and listeners: starts in one order, stops in the other. */
export class Service {
  readonly #options: ServiceOptions
  readonly #metrics = {
    receiver: createReceiverMetrics(),
    service: createServiceMetrics(packageJson.version),
  }
  #embeddedRedis: EmbeddedRedis | undefined
  #redis: Redis | undefined
  #statsRedis: Redis | undefined
  #readiness: Readiness | undefined
  readonly #secrets: RotatingSecrets[] = []
  #worker: Supervisor | undefined
  #handlerWatch: { close(): void } | undefined
  #admin: FastifyInstance | undefined
  #receiver: FastifyInstance | undefined

  constructor(options: ServiceOptions) {
    this.#options = options
  }

  /**
   * Starts what the role asks for: Redis first, the public listener last.
   * @throws StartError with what the operator can do; whatever had started is stopped again
   */
  async start(): Promise<ServiceFacts> {
    const { config, log } = this.#options
    try {
      if (config.redisUrl === undefined) this.#embeddedRedis = await startEmbeddedRedis(config.dataDir, log)
      const redisUrl = config.redisUrl ?? this.#embeddedRedis?.url ?? ''
      this.#redis = connectForAccepting(redisUrl, config.answerWithinMs, log)
      this.#readiness = new Readiness(this.#redis, log)

      const handlers = config.role === 'receiver' ? [] : await this.#startWorker(redisUrl)
      const adminUrl = await this.#startAdmin(redisUrl, this.#readiness)
      if (config.role === 'worker') {
        return { url: undefined, adminUrl, handlers, webhookPaths: [], developmentSecretFiles: [] }
      }
      const { served, developmentSecretFiles } = this.#openSecrets()
      const url = await this.#startReceiver(this.#redis, this.#readiness, served)
      const webhookPaths = served.map(({ source }) => source.paths[0] ?? '')
      return { url, adminUrl, handlers, webhookPaths, developmentSecretFiles }
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Stops in the order of the way of a webhook, and resolves when no process is left. */
  async stop(): Promise<void> {
    const { shutdownGraceMs } = this.#options.config
    this.#readiness?.stop()
    this.#handlerWatch?.close()
    // Side by side: a slow last request must not take the time of the handlers.
    await Promise.all([
      this.#receiver?.close(),
      this.#worker?.stop(Math.max(shutdownGraceMs - STOP_RESERVE_MS, 0)),
    ])
    await this.#admin?.close()
    for (const secrets of this.#secrets) secrets.close()
    this.#readiness?.close()
    this.#redis?.disconnect()
    this.#statsRedis?.disconnect()
    await this.#embeddedRedis?.stop()
  }

  async #startWorker(redisUrl: string): Promise<readonly string[]> {
    const { config, log, writeLogLine, entry, environment, onFatal } = this.#options
    const worker = new Supervisor({
      entry,
      args: [WORKER_COMMAND],
      environment: workerEnvironment(environment, redisUrl),
      log,
      writeLogLine,
      onRestart: (reason) => this.#metrics.service.workerRestarts.inc({ reason }),
      // While somebody works on a handler, a broken state of it is nothing unusual: the next change may mend it.
      onCannotStart: config.production
        ? onFatal
        : (message) =>
            log.error(`${message}\nNo handler runs until it is mended; webhooks are accepted and wait.`),
    })
    this.#worker = worker
    const handlers = await worker.start()
    if (!config.production) {
      const onChange = (file: string) => {
        log.info({ file }, 'a handler file has changed; the worker starts anew')
        worker.restart(RELOAD_GRACE_MS)
      }
      this.#handlerWatch = watchHandlers(config.handlersDir, onChange, log)
    }
    return handlers
  }

  async #startAdmin(redisUrl: string, readiness: Readiness): Promise<string | undefined> {
    const { config, log } = this.#options
    // A connection of its own: counting many dead letters must not hold up webhooks.
    this.#statsRedis = connectForAccepting(redisUrl, config.answerWithinMs, log)
    const queueStats = new QueueStatsReader({
      redis: this.#statsRedis,
      prefix: config.redisPrefix,
      keys: new PayloadKeys(),
      log,
    })
    const { receiver, service } = this.#metrics
    const admin = buildAdmin({
      log,
      readiness,
      metrics: async () => {
        const [worker] = await Promise.all([
          this.#worker?.metrics(),
          updateServiceMetrics(service, queueStats, readiness),
        ])
        const own = await Promise.all([service.registry.metrics(), receiver.registry.metrics()])
        return [...own, worker ?? ''].join('\n')
      },
    })
    this.#admin = admin
    try {
      return await listen(admin, config.adminHost, config.adminPort, 'ADMIN_PORT')
    } catch (error) {
      if (config.production || !(error instanceof StartError)) throw error
      // A second service for a try on one machine: it does its work without.
      log.warn(`${error.message} Meanwhile this one is without metrics.`)
      return undefined
    }
  }

  /** The sources that have secrets, each with those that are in force from now on. */
  #openSecrets() {
    const { config, log } = this.#options
    const served: ServedSource[] = []
    const developmentSecretFiles: string[] = []
    for (const source of sources) {
      const { setting, isMadeInDevelopment } = source.secret
      let given = config.webhookSecrets.get(source.name)
      if (given === undefined && isMadeInDevelopment && !config.production) {
        given = { kind: 'file', path: ensureDevelopmentSecret(config.dataDir, source.name) }
        developmentSecretFiles.push(given.path)
      }
      if (given === undefined) continue
      const secrets = watchSecrets(setting, given, log)
      this.#secrets.push(secrets)
      served.push({ source, secrets })
    }
    return { served, developmentSecretFiles }
  }

  async #startReceiver(redis: Redis, readiness: Readiness, served: readonly ServedSource[]): Promise<string> {
    const { config, log } = this.#options
    const keys = watchPayloadKeys(config.payloadKeys, log)
    const { redisPrefix: prefix, dedupeTtlMs } = config
    this.#receiver = buildReceiver({
      inbox: new Inbox({ redis, readiness, prefix, dedupeTtlMs, keys, log }),
      readiness,
      sources: served,
      bodyLimitBytes: config.bodyLimitBytes,
      answerWithinMs: config.answerWithinMs,
      trustProxy: config.trustProxy,
      metrics: this.#metrics.receiver,
      log,
    })
    return await listen(this.#receiver, config.host, config.port, 'PORT')
  }
}

/** Starts to listen and returns the address as one types it on the same machine. */
async function listen(app: FastifyInstance, host: string, port: number, setting: string): Promise<string> {
  try {
    await app.listen({ host, port, backlog: BACKLOG })
  } catch (error) {
    const text = `Cannot listen on ${host} port ${port} (${errorCode(error)}); end what uses it, or set ${setting}.`
    throw new StartError('CALLCOV_LISTEN', text, { cause: error })
  }
  const address = app.server.address() as AddressInfo
  const isEverywhere = address.address === '0.0.0.0' || address.address === '::'
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${isEverywhere ? 'localhost' : name}:${address.port}`
}

/** Handlers run in the worker, so it is not told what only the receiver needs. */
function workerEnvironment(environment: NodeJS.ProcessEnv, redisUrl: string): NodeJS.ProcessEnv {
  const settings = sources.map(({ secret }) => secret.setting)
  const left = new Set(['REDIS_URL_FILE', ...settings, ...settings.map((setting) => `${setting}_FILE`)])
  const rest = Object.entries(environment).filter(([name]) => !left.has(name))
  return { ...Object.fromEntries(rest), ROLE: 'worker', REDIS_URL: redisUrl }
}
