/** What a drill does to the service while webhooks come in. */
export interface Fault {
  readonly action: 'kill' | 'freeze'
  readonly target: 'receiver' | 'worker' | 'redis'
  /** Frozen for so long, or not started again before; a receiver starts again at once, a worker by itself. */
  readonly forMs: number
}

export interface PlannedFault extends Fault {
  /** After the start of the load. */
  readonly atMs: number
}

/** The most telling ones first, as a short drill has not the time for all. */
const CYCLE: readonly Fault[] = [
  { action: 'kill', target: 'receiver', forMs: 0 },
  // Longer than an answer may take.
  { action: 'freeze', target: 'redis', forMs: 5000 },
  { action: 'kill', target: 'worker', forMs: 0 },
  { action: 'kill', target: 'redis', forMs: 1500 },
  { action: 'freeze', target: 'receiver', forMs: 3000 },
  // Longer than a job is locked for its worker.
  { action: 'freeze', target: 'worker', forMs: 11_000 },
]
/** For what was killed to start again. */
const RECOVERY_MS = 1500
const MIN_GAP_MS = 1000
const MAX_GAP_MS = 4000
const GAPS_PER_DRILL = 15

/** The timetable of a drill: one fault after the other, each over before the load is. */
export function planFaults(durationMs: number): PlannedFault[] {
  const gapMs = Math.min(Math.max(durationMs / GAPS_PER_DRILL, MIN_GAP_MS), MAX_GAP_MS)
  const plan: PlannedFault[] = []
  let atMs = gapMs
  for (let index = 0; ; index += 1) {
    const fault = CYCLE[index % CYCLE.length]
    if (fault === undefined) return plan
    const overMs = atMs + fault.forMs + (fault.action === 'kill' ? RECOVERY_MS : 0)
    if (overMs > durationMs) return plan
    plan.push({ ...fault, atMs })
    atMs = overMs + gapMs
  }
}

export function describeFault({ action, target, forMs }: Fault): string {
  const name = target === 'redis' ? 'Redis' : `the ${target}`
  return `${action} ${name}${forMs === 0 ? '' : ` for ${forMs / 1000} s`}`
}
