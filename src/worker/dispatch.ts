import type { Job, Queue } from 'bullmq'
import { decodeDelivery } from '../inbox/delivery-reader.ts'
import type { LoadedHandler } from '../handlers/loader.ts'
import { AttemptFailure } from './attempt-failure.ts'
import { readEvent } from './read-event.ts'

export interface HandlerQueue {
  readonly handler: LoadedHandler
  readonly queue: Queue
}

/**
 * Turns one delivery into one job for each handler that wants it, and returns their names. A second run after a
 * crash is harmless: the jobs have the id of the delivery's own job, and a queue takes an id once.
 * @throws AttemptFailure when the delivery is to be a dead letter, or cannot be read yet
 */
export async function dispatch(job: Job, handlers: readonly HandlerQueue[]): Promise<string[]> {
  const jobId = job.id
  if (jobId === undefined) throw new AttemptFailure('unreadable', 'the job has no id', { final: true })
  const read = await decodeDelivery(job.name, job.data)
  if (!read.ok) throw new AttemptFailure('unreadable', read.problem)
  const { hold } = read.delivery.metadata
  if (hold !== undefined) {
    throw new AttemptFailure(hold, 'this outcome came before with another body; replay it to hand it on', {
      final: true,
    })
  }
  const { event } = readEvent(read.delivery)
  const wanting = handlers.filter(({ handler }) => handler.on.has(event.type))
  await Promise.all(wanting.map(({ queue }) => queue.add(event.type, {}, { jobId })))
  return wanting.map(({ handler }) => handler.name)
}
