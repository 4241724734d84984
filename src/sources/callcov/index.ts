import type { Source } from '../source.ts'
import type { AnalysisEvent } from './events.ts'
import { identifyCallcov } from './identify.ts'
import { normaliseCallcov } from './normalise.ts'
import { mayBeSigned, verifySignature } from './signature.ts'

export const callcov: Source<AnalysisEvent> = {
  name: 'callcov',
  // The provider's two guides name one path each.
  paths: ['/webhooks/callcov', '/webhooks/analysis'],
  terminalOutcomes: ['completed', 'failed'],
  unauthorizedText: 'Invalid signature',
  mayBeAuthentic: mayBeSigned,
  authenticate: verifySignature,
  identify: identifyCallcov,
  normalise: normaliseCallcov,
}
