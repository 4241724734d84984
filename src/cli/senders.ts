import { callcov } from '../sources/callcov/index.ts'
import { SIGNATURE_HEADER, signCallcov } from '../sources/callcov/signature.ts'
import { CALL_EVENTS } from '../sources/hamsa/events.ts'
import { hamsa } from '../sources/hamsa/index.ts'
import { bearerOf } from '../sources/hamsa/token.ts'
import type { Source, SourceEvent } from '../sources/source.ts'
import { ANALYSIS_OUTCOMES, makeAnalysis } from './sample-analyses.ts'
import { makeCall } from './sample-calls.ts'
import type { Sample, SampleOptions } from './sample-options.ts'

/** How `send` plays a provider. */
export interface Sender {
  readonly source: Pick<Source<SourceEvent>, 'name' | 'paths' | 'secret'>
  /** What may be sent. */
  readonly events: readonly string[]
  readonly defaultEvent: string
  /** What proves that the body comes from whoever has the secret. */
  headers(body: Buffer, secret: string): Record<string, string>
  makeSample(options: SampleOptions): Sample
}

export const SENDERS = {
  callcov: {
    source: callcov,
    events: ANALYSIS_OUTCOMES,
    defaultEvent: 'completed',
    headers: (body, secret) => ({ [SIGNATURE_HEADER]: signCallcov(body, secret) }),
    makeSample: makeAnalysis,
  },
  hamsa: {
    source: hamsa,
    events: CALL_EVENTS,
    defaultEvent: 'call.ended',
    headers: (_body, secret) => ({ authorization: bearerOf(secret) }),
    makeSample: (options) =>
      makeCall(CALL_EVENTS.find((type) => type === options.event) ?? 'call.ended', options),
  },
} satisfies Record<string, Sender>
