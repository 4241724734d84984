import { defineHandler } from '../define-handler.ts'

/** One line per event: ids, type and plain numbers. What people said, and about whom, stays out of logs. */
export const log = defineHandler({
  name: 'log',
  on: ['analysis.completed', 'analysis.failed'],
  handle(event, context) {
    const facts = {
      createdAt: event.createdAt,
      livemode: event.livemode,
      durationSeconds: event.audio.durationSeconds,
      segments: event.transcript.segments.length,
      bytes: context.delivery.bytes,
    }
    if (event.type === 'analysis.failed')
      context.log.info({ ...facts, errorCode: event.error.code }, 'analysis failed')
    else context.log.info({ ...facts, partial: event.partial }, 'analysis completed')
  },
})
