import { hash } from 'node:crypto'

/**
 * The identity of one outcome: the same for every attempt, replay and re-delivery, even after the dedupe memory
 * was lost. It is the dedupe key and the idempotency key that handlers pass on. JSON keeps the parts apart
 * whatever characters they hold.
 */
export function deliveryId(source: string, id: string, outcome: string): string {
  return sha256Hex(JSON.stringify([source, id, outcome]))
}

export function sha256Hex(data: string | Buffer): string {
  return hash('sha256', data, 'hex')
}
