import type { ReplayResult } from '../inbox/deliveries.ts'
import { HELD_BACK } from '../inbox/dead-letters.ts'
import { listJobs } from '../inbox/listed-jobs.ts'
import { dispatchedDeliveries } from '../inbox/stored-deliveries.ts'
import { INBOX } from './delivery-options.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import type { ReplayOptions } from './replay-options.ts'

/** One job that is to run again. */
export interface ReplayTask {
  readonly jobId: string
  /** `null`: the delivery itself, which is dispatched anew. */
  readonly handler: string | null
}

/** What is to be done, settled before anything is. */
export interface ReplayPlan {
  readonly tasks: readonly ReplayTask[]
  readonly run: (task: ReplayTask) => Promise<ReplayResult['result']>
  /** Jobs asked for that wait or run already. */
  readonly waiting: number
  /** Texts that name no delivery. */
  readonly missing: readonly string[]
  /** What was asked for and cannot be done. */
  readonly problems: readonly string[]
  /** What was left out, and how to have it all the same. */
  readonly notes: readonly string[]
}

export type MakePlan = (open: OpenDeliveries, options: ReplayOptions) => Promise<ReplayPlan>

/** Of handlers that are new here nothing can be dead: whoever names a span for them means to feed them. */
export const planReplayOfHandlers: MakePlan = async (open, options) => {
  const { handler: handlers = [], since, until, reason } = options
  const isSpan = reason === undefined && (since !== undefined || until !== undefined)
  const areNew = isSpan && handlers.length > 0 && !handlers.includes(INBOX)
  for (const handler of areNew ? handlers : []) {
    if (!(await open.deliveries.isNew(handler))) return await planReplayOfDead(open, options)
  }
  return areNew ? await planFeed(open, options) : await planReplayOfDead(open, options)
}

const NOTHING_ELSE = { waiting: 0, missing: [], problems: [] }
const CHUNK = 500

/** Plans for all dead letters that match, each for the handler it is dead with. */
export const planReplayOfDead: MakePlan = async ({ connection, deliveries }, options) => {
  const { reason, event: type, since, until, handler: handlers, every } = options
  const areHeldMeant = reason !== undefined || every === true || handlers?.includes(INBOX) === true
  const tasks: ReplayTask[] = []
  let held = 0
  for (const handler of handlers ?? [undefined]) {
    const filter = { state: 'dead', reason, type, since, until, handler } as const
    for await (const dead of listJobs(connection, filter)) {
      if (dead.reason !== null && HELD_BACK.has(dead.reason) && !areHeldMeant) held += 1
      else tasks.push({ jobId: dead.jobId, handler: dead.handler })
    }
  }
  const notes: string[] = []
  if (held > 0)
    notes.push(`left alone: ${held} held back; --reason ${[...HELD_BACK].join(' or ')} hands them on`)
  if (tasks.length === 0 && handlers !== undefined && !handlers.includes(INBOX)) {
    notes.push(`nothing of ${handlers.join(', ')} is dead; --feed gives what it never had`)
  }
  const run = async ({ jobId, handler }: ReplayTask) => (await deliveries.replayDead(jobId, handler)).result
  return { tasks, run, notes, ...NOTHING_ELSE }
}

/** Plans to give handlers what is stored and what they never had or gave up, oldest first. */
export const planFeed: MakePlan = async (open, options) => {
  const { event, handler: handlers = [], all } = options
  const jobIds: string[] = []
  for await (const { jobId, metadata } of dispatchedDeliveries(open.connection, options)) {
    if (event === undefined || metadata.type === event) jobIds.push(jobId)
  }
  const pairs = handlers.flatMap((handler) => jobIds.toReversed().map((jobId) => ({ jobId, handler })))
  const tasks = all ? pairs : await withoutHad(open, pairs)
  const had = pairs.length - tasks.length
  return {
    tasks,
    run: async ({ jobId, handler }) => {
      if (handler === null) return 'gone'
      if (!all) return (await open.deliveries.feed(jobId, handler)).result
      return (await open.deliveries.replay(jobId, [handler]))[0]?.result ?? 'gone'
    },
    notes: had > 0 ? [`left out: ${had} that ${handlers.join(', ')} had or has already; see --all`] : [],
    ...NOTHING_ELSE,
  }
}

async function withoutHad(
  { deliveries }: OpenDeliveries,
  pairs: readonly { readonly jobId: string; readonly handler: string }[],
): Promise<ReplayTask[]> {
  const fresh: ReplayTask[] = []
  for (let start = 0; start < pairs.length; start += CHUNK) {
    const chunk = pairs.slice(start, start + CHUNK)
    const isMeant = await Promise.all(chunk.map(({ jobId, handler }) => deliveries.canFeed(jobId, handler)))
    fresh.push(...chunk.filter((_pair, index) => isMeant[index]))
  }
  return fresh
}
