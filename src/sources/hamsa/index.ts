import { parseJson, type Source } from '../source.ts'
import { CALL_EVENTS, type CallEvent } from './events.ts'
import { identifyHamsa } from './identify.ts'
import { hamsaLogFacts } from './log-facts.ts'
import { normaliseHamsa } from './normalise.ts'
import { tokensProblem, verifyToken } from './token.ts'

export const hamsa: Source<CallEvent> = {
  name: 'hamsa',
  paths: ['/webhooks/hamsa'],
  eventTypes: CALL_EVENTS,
  contentType: 'application/json',
  secret: {
    setting: 'HAMSA_WEBHOOK_TOKEN',
    origin: "the agent's webhook settings at Hamsa",
    problemOf: tokensProblem,
    // Whoever does not use Hamsa has no route for it either.
    isMadeInDevelopment: false,
  },
  unauthorizedText: 'Unauthorized',
  // No body is signed, so that a wrong token is refused before the body is read.
  mayBeAuthentic: (headers, secrets) => verifyToken(headers, secrets).ok,
  authenticate: (headers, _rawBody, secrets) => verifyToken(headers, secrets),
  parse: parseJson,
  identify: identifyHamsa,
  normalise: normaliseHamsa,
  logFacts: hamsaLogFacts,
}
