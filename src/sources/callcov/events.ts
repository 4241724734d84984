/** The event types of CallCov: type, run-time check and what a handler's `on` narrows to all come from here. */
export const ANALYSIS_EVENTS = ['analysis.completed', 'analysis.failed'] as const
export type AnalysisEventType = (typeof ANALYSIS_EVENTS)[number]

export interface TranscriptSegment {
  readonly speaker: string | null
  readonly text: string
  /** Seconds from the start of the call. */
  readonly start: number | null
  /** Seconds from the start of the call. */
  readonly end: number | null
}

interface AnalysisBase {
  readonly source: 'callcov'
  readonly analysisId: string
  /** When CallCov created the analysis, ISO 8601. */
  readonly createdAt: string | null
  readonly livemode: boolean | null
  readonly call: { readonly agentId: string | null; readonly contactId: string | null }
  readonly audio: {
    /** A signed address that expires: fetch soon, and keep it out of logs. */
    readonly url: string | null
    readonly durationSeconds: number | null
    readonly format: string | null
  }
  readonly transcript: {
    readonly text: string | null
    readonly language: string | null
    readonly segments: readonly TranscriptSegment[]
  }
  /** The JSON as received. */
  readonly raw: Readonly<Record<string, unknown>>
}

export interface AnalysisCompleted extends AnalysisBase {
  readonly type: 'analysis.completed'
  readonly status: 'completed'
  /** As sent: `compliance`, `quality`, `coaching` and whatever CallCov adds; empty when `partial`. */
  readonly results: Readonly<Record<string, unknown>>
  /** True when the webhook carried no results. */
  readonly partial: boolean
}

export interface AnalysisFailed extends AnalysisBase {
  readonly type: 'analysis.failed'
  readonly status: 'failed'
  readonly error: { readonly message: string; readonly code: string | null; readonly details: unknown }
}

export type AnalysisEvent = AnalysisCompleted | AnalysisFailed
