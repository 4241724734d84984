import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Config } from './config.ts'
import { ensureDevelopmentSecret } from './development-secrets.ts'
import { errorCode, StartError } from './errors.ts'
import { startEmbeddedRedis, type EmbeddedRedis } from './inbox/embedded-redis.ts'
import { Inbox } from './inbox/inbox.ts'
import { connectForAccepting } from './inbox/redis-connection.ts'
import type { Logger } from './log.ts'
import { buildReceiver } from './receiver/app.ts'
import { RotatingSecrets, type SecretSetting } from './secrets.ts'
import { Supervisor } from './worker/supervisor.ts'

/** Of the grace: what is left for ending processes by force and for Redis. */
const STOP_RESERVE_MS = 5000

export interface ServiceOptions {
  readonly config: Config
  readonly log: Logger
  /** The file that runs this service, for the worker process. */
  readonly entry: string
  readonly environment: NodeJS.ProcessEnv
}

export interface RunningService {
  /** Where the public listener is; `undefined` in ROLE=worker. */
  readonly url: string | undefined
  /** Names of the loaded handlers; empty in ROLE=receiver. */
  readonly handlers: readonly string[]
  /** Set when the secret was made here, because none was configured outside production. */
  readonly developmentSecretFile: string | undefined
  /** Stops in the order of the way of a webhook, and resolves when no process is left. */
  stop(): Promise<void>
}

/**
 * Starts what the role asks for, Redis first and the public listener last.
 * @throws StartError with what the operator can do; whatever had started is stopped again
 */
export async function startService({
  config,
  log,
  entry,
  environment,
}: ServiceOptions): Promise<RunningService> {
  const started: StartedParts = {}
  try {
    if (config.redisUrl === undefined) started.redis = await startEmbeddedRedis(config.dataDir, log)
    const redisUrl = config.redisUrl ?? started.redis?.url ?? ''

    let handlers: readonly string[] = []
    if (config.role !== 'receiver') {
      started.worker = new Supervisor({
        entry,
        args: ['worker-process'],
        environment: workerEnvironment(environment, redisUrl),
        log,
      })
      handlers = await started.worker.start()
    }
    let url: string | undefined
    let developmentSecretFile: string | undefined
    if (config.role !== 'worker') {
      let setting = config.callcovSecrets
      if (setting === undefined) {
        developmentSecretFile = ensureDevelopmentSecret(config.dataDir)
        setting = { kind: 'file', path: developmentSecretFile }
      }
      url = await startReceiver(started, { config, log, redisUrl, setting })
    }
    return { url, handlers, developmentSecretFile, stop: () => stopParts(started, config.shutdownGraceMs) }
  } catch (error) {
    await stopParts(started, config.shutdownGraceMs)
    throw error
  }
}

interface StartedParts {
  redis?: EmbeddedRedis
  worker?: Supervisor
  inbox?: Inbox
  secrets?: RotatingSecrets
  receiver?: FastifyInstance
}

async function startReceiver(
  started: StartedParts,
  options: { config: Config; log: Logger; redisUrl: string; setting: SecretSetting },
): Promise<string> {
  const { config, log, redisUrl, setting } = options
  started.inbox = new Inbox({
    redis: connectForAccepting(redisUrl, config.answerWithinMs, log),
    prefix: config.redisPrefix,
    dedupeTtlMs: config.dedupeTtlMs,
    log,
  })
  started.secrets = new RotatingSecrets(setting, (event) => {
    if ('rotated' in event) log.info('the CallCov secrets were rotated')
    else
      log.error(
        { problem: event.problem },
        'the file of the CallCov secrets is unusable; the last good ones stay',
      )
  })
  started.receiver = buildReceiver({
    inbox: started.inbox,
    secrets: new Map([['callcov', started.secrets]]),
    bodyLimitBytes: config.bodyLimitBytes,
    answerWithinMs: config.answerWithinMs,
    trustProxy: config.trustProxy,
    log,
  })
  try {
    await started.receiver.listen({ host: config.host, port: config.port })
  } catch (error) {
    const text = `Cannot listen on ${config.host} port ${config.port} (${errorCode(error)}); end what uses it, or set PORT.`
    throw new StartError('CALLCOV_LISTEN', text, { cause: error })
  }
  const { address, port } = started.receiver.server.address() as AddressInfo
  return `http://${address === '0.0.0.0' || address === '::' ? 'localhost' : address}:${port}`
}

/** Handlers run in the worker, so it is not told what only the receiver needs. */
function workerEnvironment(environment: NodeJS.ProcessEnv, redisUrl: string): NodeJS.ProcessEnv {
  const {
    CALLCOV_WEBHOOK_SECRET: _secret,
    CALLCOV_WEBHOOK_SECRET_FILE: _file,
    REDIS_URL_FILE: _url,
    ...rest
  } = environment
  return { ...rest, ROLE: 'worker', REDIS_URL: redisUrl }
}

async function stopParts(started: StartedParts, graceMs: number): Promise<void> {
  started.inbox?.stop()
  // Side by side: a slow last request must not take the time of the handlers.
  await Promise.all([started.receiver?.close(), started.worker?.stop(Math.max(graceMs - STOP_RESERVE_MS, 0))])
  started.secrets?.close()
  started.inbox?.close()
  await started.redis?.stop()
}
