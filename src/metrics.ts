import { Counter, Gauge, Histogram, Registry } from 'prom-client'

const PREFIX = 'callcov_receiver_'

/** Answers are meant to take milliseconds and end at ANSWER_WITHIN, 4 s. */
const ANSWER_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const BODY_BUCKETS = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 10_485_760]
const HANDLER_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 300]
/** From the answer to the last success: milliseconds on a good day, a day after an outage of the handler's target. */
const LAG_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 900, 3600, 14_400, 86_400]

/**
 * What the receiver counts. Labels take their values from closed lists only: nothing a sender chooses becomes one.
 */
export function createReceiverMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    requests: new Counter({
      name: `${PREFIX}requests_total`,
      help: 'Webhook requests by how they ended.',
      labelNames: ['source', 'outcome'] as const,
      registers,
    }),
    answerSeconds: new Histogram({
      name: `${PREFIX}answer_seconds`,
      help: 'Time from the headers of a webhook request to the end of its answer.',
      labelNames: ['source', 'outcome'] as const,
      buckets: ANSWER_BUCKETS,
      registers,
    }),
    bodyBytes: new Histogram({
      name: `${PREFIX}body_bytes`,
      help: 'Length of the bodies of authentic webhooks.',
      labelNames: ['source'] as const,
      buckets: BODY_BUCKETS,
      registers,
    }),
    secretMatched: new Counter({
      name: `${PREFIX}secret_matched_total`,
      help: 'Webhooks by the secret that matched, 0 being the newest: one that stays at rest can be dropped.',
      labelNames: ['source', 'position'] as const,
      registers,
    }),
    lastWebhook: new Gauge({
      name: `${PREFIX}last_webhook_timestamp_seconds`,
      help: 'When the last authentic webhook came, Unix time.',
      labelNames: ['source'] as const,
      registers,
    }),
  }
}
export type ReceiverMetrics = ReturnType<typeof createReceiverMetrics>

/** What the worker process counts. */
export function createWorkerMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    handlerRuns: new Counter({
      name: `${PREFIX}handler_runs_total`,
      help: 'Handler runs by how they ended.',
      labelNames: ['handler', 'outcome'] as const,
      registers,
    }),
    handlerSeconds: new Histogram({
      name: `${PREFIX}handler_seconds`,
      help: 'Duration of handler runs.',
      labelNames: ['handler'] as const,
      buckets: HANDLER_BUCKETS,
      registers,
    }),
    handlerLagSeconds: new Histogram({
      name: `${PREFIX}handler_lag_seconds`,
      help: 'Time from storing a delivery to the success of the handler.',
      labelNames: ['handler'] as const,
      buckets: LAG_BUCKETS,
      registers,
    }),
    breakerOpen: new Gauge({
      name: `${PREFIX}breaker_open`,
      help: '1 while a handler is not run because its breaker is open; 0 also for one without a breaker.',
      labelNames: ['handler'] as const,
      registers,
    }),
  }
}
export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>

/** What every process tells of itself and of the Redis it stands on; set anew for each scrape. */
export function createServiceMetrics(version: string) {
  const registry = new Registry()
  const registers = [registry]
  new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the version is the label.',
    labelNames: ['version'] as const,
    registers,
  }).set({ version }, 1)
  return {
    registry,
    workerRestarts: new Counter({
      name: `${PREFIX}worker_restarts_total`,
      help: 'Starts of a worker process after the first, by what ended the one before.',
      labelNames: ['reason'] as const,
      registers,
    }),
    queueJobs: new Gauge({
      name: `${PREFIX}queue_jobs`,
      help: 'Jobs in a queue by state.',
      labelNames: ['queue', 'state'] as const,
      registers,
    }),
    queueOldestSeconds: new Gauge({
      name: `${PREFIX}queue_oldest_seconds`,
      help: 'Age of the job that has waited longest; 0 when none waits.',
      labelNames: ['queue'] as const,
      registers,
    }),
    handlerPaused: new Gauge({
      name: `${PREFIX}handler_paused`,
      help: '1 while a handler is paused by command: what it would be given waits.',
      labelNames: ['handler'] as const,
      registers,
    }),
    deadLetters: new Gauge({
      name: `${PREFIX}dead_letters`,
      help: 'Dead letters by reason; see docs/runbook.md.',
      labelNames: ['queue', 'reason'] as const,
      registers,
    }),
    redisDurable: new Gauge({
      name: `${PREFIX}redis_durable`,
      help: '1 when an acknowledged webhook survives a power cut of the Redis host, else 0.',
      registers,
    }),
    redisMemoryRatio: new Gauge({
      name: `${PREFIX}redis_memory_ratio`,
      help: 'Used share of the memory limit of Redis; webhooks are refused above 0.8.',
      registers,
    }),
  }
}
export type ServiceMetrics = ReturnType<typeof createServiceMetrics>
