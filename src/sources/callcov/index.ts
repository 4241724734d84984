import { secretsProblem } from '../../secrets.ts'
import { parseJson, type Source } from '../source.ts'
import { ANALYSIS_EVENTS, type AnalysisEvent } from './events.ts'
import { identifyCallcov } from './identify.ts'
import { callcovLogFacts } from './log-facts.ts'
import { normaliseCallcov } from './normalise.ts'
import { mayBeSigned, verifySignature } from './signature.ts'

export const callcov: Source<AnalysisEvent> = {
  name: 'callcov',
  // The provider's two guides name one path each.
  paths: ['/webhooks/callcov', '/webhooks/analysis'],
  eventTypes: ANALYSIS_EVENTS,
  contentType: 'application/json',
  secret: {
    setting: 'CALLCOV_WEBHOOK_SECRET',
    origin: 'the CallCov dashboard',
    problemOf: secretsProblem,
    isMadeInDevelopment: true,
  },
  unauthorizedText: 'Invalid signature',
  mayBeAuthentic: mayBeSigned,
  authenticate: verifySignature,
  parse: parseJson,
  identify: identifyCallcov,
  normalise: normaliseCallcov,
  logFacts: callcovLogFacts,
}
