import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Belongings } from './belongings.ts'
import { DrilledRedis } from './drilled-redis.ts'
import { DrilledService } from './drilled-service.ts'
import { planFaults, type PlannedFault } from './faults.ts'
import { injectFaults } from './inject-faults.ts'
import { runsFile } from './recording-handler.ts'
import { SenderClient } from './sender-client.ts'
import { reachVerdict, type Verdict } from './verdict.ts'
import { DrillError, pause } from './wait-until.ts'

/** What a killed worker held runs again within 20 s; the rest is for a slow machine with a long backlog. */
const DRAINED_WITHIN_MS = 180_000
const LOOK_EVERY_MS = 500
/** Of the load: a webhook that has to wait longer would come back when the faults are over. */
const LONGEST_PAUSE_SHARE = 1 / 4

export interface DrillOptions {
  readonly durationMs: number
  readonly count: number
  readonly ratePerSecond: number
  /** The file that runs the service. */
  readonly entry: string
  readonly keep: boolean
  /** What processes are given besides their settings. */
  readonly environment: NodeJS.ProcessEnv
  /** Aborted, it ends the drill. */
  readonly signal: AbortSignal
  readonly onFault: (fault: PlannedFault) => void
  readonly onProgress: (acknowledged: number) => void
}

export type DrillReport = Verdict & {
  readonly faults: readonly PlannedFault[]
  /** How late the sender itself was at worst, for lack of processor time. */
  readonly senderLateMs: number
  readonly deadLetters: number
  /** Jobs that were still waiting when the drill gave up. */
  readonly unfinished: number
  /** Where everything is kept, when that was asked for. */
  readonly folder: string | undefined
}

/**
 * Sends webhooks to a service of its own, kills and freezes its parts meanwhile, and reports whether everything
 * acknowledged was handled. Whatever happens, no process and, unless to be kept, no file is left behind.
 * @throws DrillError when there is nothing to report; what `signal` was aborted with
 */
export async function runDrill(options: DrillOptions): Promise<DrillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'callcov-drill-'))
  const belongings = new Belongings(options.keep ? undefined : folder)
  try {
    const report = await drill(options, folder, belongings)
    return { ...report, folder: options.keep ? folder : undefined }
  } finally {
    belongings.destroy()
  }
}

async function drill(options: DrillOptions, folder: string, belongings: Belongings) {
  const { durationMs, count, ratePerSecond, entry, environment, signal, onFault, onProgress } = options
  const setup = { folder, belongings, signal, environment }
  const sender = new SenderClient({ folder, belongings, environment, onProgress })
  const redis = new DrilledRedis(setup)
  await redis.start()
  const secret = `whsec_${randomBytes(24).toString('base64url')}`
  const service = await DrilledService.create({ ...setup, entry, redisUrl: redis.url, secret })
  await service.start()

  const ledgerFile = join(folder, 'ledger.jsonl')
  const longestPauseMs = durationMs * LONGEST_PAUSE_SHARE
  const startedAt = Date.now()
  sender.start({ url: service.webhookUrl, secret, count, ratePerSecond, longestPauseMs, ledgerFile })
  const faults: PlannedFault[] = []
  const receiverFaults = await injectFaults(planFaults(durationMs), {
    service,
    redis,
    startedAt,
    signal,
    onFault(fault) {
      faults.push(fault)
      onFault(fault)
    },
  })
  await pause(Math.max(startedAt + durationMs - Date.now(), 0), signal)
  const senderLateMs = await sender.finish(signal)
  const jobs = await drain(service, redis, signal)
  const verdict = await reachVerdict({ ledgerFile, runsFile: runsFile(folder), receiverFaults })
  const ok = verdict.ok && jobs.unfinished === 0
  return { ...verdict, ok, faults, senderLateMs, deadLetters: jobs.dead, unfinished: jobs.unfinished }
}

/** Waits until nothing is left to do: seen twice, as what is answered may only just be on its way into the queue. */
async function drain(service: DrilledService, redis: DrilledRedis, signal: AbortSignal) {
  const deadline = performance.now() + DRAINED_WITHIN_MS
  let quiet = 0
  for (;;) {
    service.expectAlive()
    redis.expectAlive()
    const jobs = await redis.countJobs().catch((error: unknown) => {
      throw new DrillError('Redis does not tell what is left in the queues.', { cause: error })
    })
    quiet = jobs.unfinished === 0 ? quiet + 1 : 0
    if (quiet === 2 || performance.now() > deadline) return jobs
    await pause(LOOK_EVERY_MS, signal)
  }
}
