import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { CANARIES, keepSecret } from './canary.ts'
import type { Delivery } from './deliveries.ts'
import { waitFor } from './wait.ts'

const CALL_TYPES = ['call.started', 'call.answered', 'transcription.update', 'tool.executed', 'call.ended']

export const HAMSA_TOKEN = 'hamsa_test_only_do_not_use_in_production'

/** One webhook of Hamsa, of a call that ended; tests change exactly one thing of it. */
export function callDelivery(
  change: {
    fields?: Record<string, unknown>
    /** In place of what is inside `data.data`. */
    content?: Record<string, unknown>
    body?: string | Buffer
    token?: string
    authorization?: string
  } = {},
): Delivery {
  const { fields, content, token = HAMSA_TOKEN, authorization = `Bearer ${token}` } = change
  keepSecret(token)
  const body = change.body ?? JSON.stringify({ ...endedCall(content), ...fields })
  return { body, headers: { 'content-type': 'application/json', authorization } }
}

export function endedCall(content: Record<string, unknown> = endedContent()): Record<string, unknown> {
  const timestamp = '2026-01-12T08:17:44.310Z'
  return {
    eventType: 'call.ended',
    callId: randomUUID(),
    timestamp,
    projectId: 'proj_1',
    agentId: 'agent_1',
    agentName: 'Delivery Desk',
    data: { timestamp, data: content },
  }
}

function endedContent(): Record<string, unknown> {
  return {
    conversationId: 'conv-1',
    conversationRecording: `https://recordings.example/conv-1.mp3?token=${CANARIES.audioQuery}`,
    transcription: [{ Agent: 'Hello.' }, { User: `${CANARIES.transcript}.` }],
    outcomeResult: { user_id: CANARIES.contact, resolved: true },
  }
}

/** What happened in a call, in the envelope that all five events share. */
export function callEvent(eventType: string, content: Record<string, unknown>): Record<string, unknown> {
  return { ...endedCall(content), eventType }
}

/** The sample bodies of Hamsa, byte for byte. */
export const HAMSA_FIXTURES = [
  'hamsa-call-ended.json',
  'hamsa-tool-executed.json',
  'hamsa-transcription-update.json',
] as const

export function readCallFixture(file: (typeof HAMSA_FIXTURES)[number]): Buffer {
  return readFileSync(new URL(`../fixtures/${file}`, import.meta.url))
}

/** The text of a handler file that keeps each event of Hamsa it is given, with its delivery id, as a line in `file`. */
export function callKeeper(file: string): string {
  return `import { appendFileSync } from 'node:fs'
import { defineHandler } from 'callcov-webhook-receiver'
export default defineHandler({
  name: 'keeper',
  on: ${JSON.stringify(CALL_TYPES)},
  handle(event, { delivery }) {
    appendFileSync(${JSON.stringify(file)}, JSON.stringify({ ...event, deliveryId: delivery.id }) + '\\n')
  },
})
`
}

export interface KeptCall {
  readonly type: string
  readonly callId: string
  readonly deliveryId: string
  readonly data: Record<string, unknown> | null
}

/** Waits until the handler has kept at least `count` events, and returns them. */
export async function waitForCalls(file: string, count: number): Promise<KeptCall[]> {
  return await waitFor(`${count} events`, () => {
    const kept = keptCalls(file)
    return kept.length >= count && kept
  })
}

export function keptCalls(file: string): KeptCall[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as KeptCall)
}
