import { HELD_BACK, reasonOf } from '../inbox/dead-letters.ts'
import type { DeliveryDetails } from '../inbox/deliveries.ts'
import { INBOX } from './delivery-options.ts'
import { stateOf } from './describe-delivery.ts'
import { describeMissing, findDeliveries } from './find-deliveries.ts'
import type { MakePlan, ReplayPlan, ReplayTask } from './replay-plan.ts'
import type { ReplayOptions } from './replay-options.ts'

type Draft = Pick<ReplayPlan, 'tasks' | 'waiting' | 'problems' | 'notes'>

/** Plans for deliveries by their ids: the handlers that gave them up, or those that the options name. */
export function planReplayOf(ids: readonly string[]): MakePlan {
  return async ({ connection, deliveries }, options) => {
    const { byText, missing } = await findDeliveries({ connection, deliveries }, ids)
    const drafts: Draft[] = []
    for (const jobIds of byText.values()) {
      const found = await Promise.all(jobIds.map((jobId) => deliveries.show(jobId)))
      const known = found.filter((details) => details !== undefined)
      drafts.push(draftFor(known, options))
    }
    const { tasks, waiting, problems, notes } = combine(drafts)
    const isChosen = options.handler !== undefined || options.all === true
    return {
      // Two of the ids may mean the same delivery.
      tasks: [...new Map(tasks.map((task) => [`${task.handler} ${task.jobId}`, task])).values()],
      run: async ({ jobId, handler }) => {
        if (!isChosen || handler === null) return (await deliveries.replayDead(jobId, handler)).result
        return (await deliveries.replay(jobId, [handler]))[0]?.result ?? 'gone'
      },
      waiting,
      missing,
      problems: [...missing.map(describeMissing), ...problems],
      notes,
    }
  }
}

/** What is to be done for all deliveries of one id. */
function draftFor(details: readonly DeliveryDetails[], options: ReplayOptions): Draft {
  const draftOf = (delivery: DeliveryDetails) => draftOne(delivery, options)
  const held = details.filter(isHeldBack)
  const others = combine(details.filter((delivery) => !isHeldBack(delivery)).map(draftOf))
  if (held.length === 1 && others.tasks.length === 0) return combine(held.map(draftOf))
  // They are not to come along with what somebody wants mended: for a conflict, its outcome was handed on before.
  const notes = held.map(
    ({ jobId, jobs }) => `left alone: ${jobId}, held back (${reasonOf(jobs[0]?.failure)})`,
  )
  return { ...others, notes: [...others.notes, ...notes] }
}

function draftOne({ jobId, jobs }: DeliveryDetails, { handler: chosen, all }: ReplayOptions): Draft {
  const [inbox, ...handled] = jobs
  const nothing = { tasks: [], waiting: 0, problems: [], notes: [] }
  if (inbox?.state === 'failed') {
    if (chosen === undefined) return { ...nothing, tasks: [{ jobId, handler: null }] }
    const text = `${jobId}: no handler was given it yet (${reasonOf(inbox.failure)}); replay it without --handler\n`
    return { ...nothing, problems: [text] }
  }
  if (inbox?.state !== 'completed') return { ...nothing, waiting: 1 }

  const toTasks = (names: readonly (string | null)[]): ReplayTask[] =>
    names.map((handler) => ({ jobId, handler }))
  if (chosen !== undefined) return { ...nothing, tasks: toTasks(chosen) }
  const meant = all ? handled : handled.filter(({ state }) => state === 'failed')
  if (meant.length > 0) return { ...nothing, tasks: toTasks(meant.map(({ handler }) => handler)) }
  const waiting = handled.filter(({ state }) => state !== 'completed').length
  const states = handled.map((job) => `${job.handler ?? INBOX}: ${stateOf(job)}`).join(', ')
  const note = `nothing of ${jobId} is dead (${states || 'no handler wanted it'}); see --all and --handler`
  return { ...nothing, waiting, notes: [note] }
}

function isHeldBack({ jobs: [inbox] }: DeliveryDetails): boolean {
  return inbox?.state === 'failed' && HELD_BACK.has(reasonOf(inbox.failure))
}

function combine(drafts: readonly Draft[]): Draft {
  return {
    tasks: drafts.flatMap(({ tasks }) => tasks),
    waiting: drafts.reduce((sum, { waiting }) => sum + waiting, 0),
    problems: drafts.flatMap(({ problems }) => problems),
    notes: drafts.flatMap(({ notes }) => notes),
  }
}
