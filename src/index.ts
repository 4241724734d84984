/** What a handler file may import from `callcov-webhook-receiver`. */
export { defineHandler } from './handlers/define-handler.ts'
export { PermanentError, RetryLater } from './handlers/handler-errors.ts'
export type { Delivery, Handler, HandlerContext, HandlerOptions } from './handlers/define-handler.ts'
export type {
  AnalysisCompleted,
  AnalysisEvent,
  AnalysisFailed,
  TranscriptSegment,
} from './sources/callcov/events.ts'
export type {
  CallAnswered,
  CallEnded,
  CallEvent,
  CallStarted,
  ToolExecuted,
  TranscriptionUpdate,
  TranscriptTurn,
} from './sources/hamsa/events.ts'
export type { EventOf, EventType, WebhookEvent } from './sources/sources.ts'
