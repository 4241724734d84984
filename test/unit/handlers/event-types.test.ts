import { describe, expectTypeOf, it } from 'vitest'
import {
  defineHandler,
  type AnalysisCompleted,
  type AnalysisFailed,
  type CallEnded,
  type CallEvent,
  type EventOf,
  type EventType,
  type ToolExecuted,
  type WebhookEvent,
} from '../../../src/index.ts'

describe('the type of the event that a handler is given', () => {
  it('is that of the one event type it wants', () => {
    defineHandler({
      name: 'calls',
      on: ['call.ended'],
      handle(event) {
        expectTypeOf(event).toEqualTypeOf<CallEnded>()
        expectTypeOf(event.transcript?.[0]?.speaker).toEqualTypeOf<string | undefined>()
        expectTypeOf(event.conversationId).toEqualTypeOf<string | null>()
        // @ts-expect-error 2339: an analysis has results, a call has none
        void event.results
      },
    })
  })

  it('is one of those it wants, told apart by type and by source', () => {
    defineHandler({
      name: 'both',
      on: ['analysis.completed', 'tool.executed'],
      handle(event) {
        expectTypeOf(event).toEqualTypeOf<AnalysisCompleted | ToolExecuted>()
        if (event.source === 'hamsa') expectTypeOf(event).toEqualTypeOf<ToolExecuted>()
        if (event.type === 'analysis.completed') expectTypeOf(event.analysisId).toEqualTypeOf<string>()
      },
    })
  })

  it('knows no event type that no source sends', () => {
    defineHandler({
      name: 'wrong',
      // @ts-expect-error 2322: there is no such event
      on: ['call.transferred'],
      handle: () => undefined,
    })
  })

  it('has the events of every source, and no other', () => {
    expectTypeOf<WebhookEvent>().toEqualTypeOf<AnalysisCompleted | AnalysisFailed | CallEvent>()
    expectTypeOf<EventOf<'call.ended'>>().toEqualTypeOf<CallEnded>()
    expectTypeOf<EventType>().toEqualTypeOf<
      | 'analysis.completed'
      | 'analysis.failed'
      | 'call.started'
      | 'call.answered'
      | 'transcription.update'
      | 'tool.executed'
      | 'call.ended'
    >()
  })
})
