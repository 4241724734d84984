/** What a handler file, and a test of one, may import from `callcov-webhook-receiver`. */
export { defineHandler } from './handlers/define-handler.ts'
export { PermanentError, RetryLater } from './handlers/handler-errors.ts'
export type {
  BreakerOptions,
  DeadLetter,
  Delivery,
  Handler,
  HandlerContext,
  HandlerOptions,
} from './handlers/define-handler.ts'
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
export type { TestBody, TestEvent } from './worker/test-event.ts'
export { testHandler } from './worker/test-handler.ts'
export type { TestHandlerOptions, TestHandlerResult } from './worker/test-handler.ts'
