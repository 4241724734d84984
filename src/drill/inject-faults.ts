import type { DrilledRedis } from './drilled-redis.ts'
import type { DrilledService } from './drilled-service.ts'
import type { Fault, PlannedFault } from './faults.ts'
import { pause } from './wait-until.ts'

/** A time in which the receiver could not answer, as Unix milliseconds. */
export interface Window {
  readonly from: number
  readonly to: number
}

export interface InjectOptions {
  readonly service: DrilledService
  readonly redis: DrilledRedis
  readonly startedAt: number
  readonly signal: AbortSignal
  readonly onFault: (fault: PlannedFault) => void
}

/** Does all of the timetable, and returns when the receiver was frozen or dead. */
export async function injectFaults(
  faults: readonly PlannedFault[],
  { service, redis, startedAt, signal, onFault }: InjectOptions,
): Promise<Window[]> {
  const windows: Window[] = []
  for (const fault of faults) {
    await pause(Math.max(startedAt + fault.atMs - Date.now(), 0), signal)
    service.expectAlive()
    redis.expectAlive()
    onFault({ ...fault, atMs: Date.now() - startedAt })
    const from = Date.now()
    await inject(fault, { service, redis, signal })
    if (fault.target === 'receiver') windows.push({ from, to: Date.now() })
    await service.orphansGone()
  }
  return windows
}

async function inject(
  { action, target, forMs }: Fault,
  { service, redis, signal }: Pick<InjectOptions, 'service' | 'redis' | 'signal'>,
): Promise<void> {
  switch (`${action} ${target}` as const) {
    case 'kill receiver':
      await service.kill()
      await service.start()
      break
    case 'kill worker':
      await service.killWorker()
      break
    case 'kill redis':
      await redis.kill()
      await pause(forMs, signal)
      await redis.start()
      break
    case 'freeze receiver':
      await frozen(service, forMs, signal)
      break
    case 'freeze worker':
      await frozen({ freeze: () => {}, thaw: await service.freezeWorker() }, forMs, signal)
      break
    case 'freeze redis':
      await frozen(redis, forMs, signal)
      break
  }
}

async function frozen(
  target: { freeze(): void; thaw(): void },
  forMs: number,
  signal: AbortSignal,
): Promise<void> {
  target.freeze()
  await pause(forMs, signal)
  target.thaw()
}
