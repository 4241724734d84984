import type { ClientBase } from 'pg'
import type { WebhookEvent } from '../../../sources/sources.ts'
import type { Delivery } from '../../define-handler.ts'
import { eraseAnalysis, storeAnalysis } from './store-analysis.ts'
import { eraseCall, storeCall } from './store-call.ts'

/** What stores an event in a transaction; `undefined` for one of a source that has no tables here. */
export function storingOf(
  event: WebhookEvent,
  delivery: Pick<Delivery, 'id' | 'receivedAt'>,
): ((client: ClientBase) => Promise<void>) | undefined {
  switch (event.source) {
    case 'callcov':
      return (client) => storeAnalysis(client, event, delivery)
    case 'hamsa':
      return (client) => storeCall(client, event, delivery)
    default:
      return undefined
  }
}

/** Erases whatever has this id of a provider; returns how many analyses and calls went. */
export async function eraseId(client: ClientBase, id: string): Promise<number> {
  return (await eraseAnalysis(client, id)) + (await eraseCall(client, id))
}
