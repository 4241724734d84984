/** The event types of Hamsa: type, run-time check and what a handler's `on` narrows to all come from here. */
export const CALL_EVENTS = [
  'call.started',
  'call.answered',
  'transcription.update',
  'tool.executed',
  'call.ended',
] as const
export type CallEventType = (typeof CALL_EVENTS)[number]

export interface TranscriptTurn {
  /** `Agent` or `User`. */
  readonly speaker: string
  readonly text: string
}

/** What all five have; each field but `callId` may be missing, and is then `null`. */
interface CallBase {
  readonly source: 'hamsa'
  /** The same in every event of one call. */
  readonly callId: string
  /** When it happened, ISO 8601. Events of a call may be handled in any order: this is what puts them in theirs. */
  readonly timestamp: string | null
  readonly projectId: string | null
  readonly agentId: string | null
  readonly agentName: string | null
  /** The inner object as sent, whose fields Hamsa documents for `call.ended` only. */
  readonly data: Readonly<Record<string, unknown>> | null
  /** The JSON as received. */
  readonly raw: Readonly<Record<string, unknown>>
}

export interface CallStarted extends CallBase {
  readonly type: 'call.started'
}

export interface CallAnswered extends CallBase {
  readonly type: 'call.answered'
}

export interface TranscriptionUpdate extends CallBase {
  readonly type: 'transcription.update'
}

export interface ToolExecuted extends CallBase {
  readonly type: 'tool.executed'
}

export interface CallEnded extends CallBase {
  readonly type: 'call.ended'
  readonly conversationId: string | null
  /** On whichever host Hamsa keeps it; keep the address out of logs. */
  readonly recordingUrl: string | null
  readonly transcript: readonly TranscriptTurn[] | null
  /** The parameters given at the start of the call and what the agent found out; complex values are JSON texts. */
  readonly outcome: Readonly<Record<string, unknown>> | null
}

export type CallEvent = CallStarted | CallAnswered | TranscriptionUpdate | ToolExecuted | CallEnded
