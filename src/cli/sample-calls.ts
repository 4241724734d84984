import { randomUUID } from 'node:crypto'
import type { CallEventType } from '../sources/hamsa/events.ts'
import type { Sample, SampleOptions } from './sample-options.ts'
import { SENTENCES } from './sample-sentences.ts'

/** Makes the body of one webhook as Hamsa sends it: a fresh call id unless given one, happening now. */
export function makeCall(event: CallEventType, options: SampleOptions): Sample {
  const { id = randomUUID() } = options
  const timestamp = new Date().toISOString()
  const json = {
    eventType: event,
    callId: id,
    timestamp,
    projectId: 'project_sample',
    agentId: 'agent_sample',
    agentName: 'Harbour Broadband',
    data: { timestamp, data: CONTENTS[event](id, options) },
  }
  return { id, body: Buffer.from(JSON.stringify(json)) }
}

/** Hamsa documents what is inside for the end of a call only: the fields of the others are made up. */
const CONTENTS: Record<CallEventType, (id: string, options: SampleOptions) => Record<string, unknown>> = {
  'call.started': () => ({ direction: 'inbound', parameters: { user_id: 'user_sample' } }),
  'call.answered': () => ({ ringSeconds: 4.2 }),
  'transcription.update': (_id, { language }) => ({ speaker: 'User', text: SENTENCES[language][1] }),
  'tool.executed': () => ({
    toolName: 'book_engineer',
    input: { day: 'tomorrow' },
    output: { booked: true },
    success: true,
  }),
  'call.ended': (id, { language, segments }) => ({
    conversationId: `conv-${id}`,
    // Of `.example`, which exists nowhere.
    conversationRecording: `https://audio.example/${encodeURIComponent(id)}.mp3`,
    transcription: Array.from({ length: segments }, (_, index) => ({
      [index % 2 === 0 ? 'Agent' : 'User']: SENTENCES[language][index % SENTENCES[language].length],
    })),
    outcomeResult: {
      user_id: 'user_sample',
      resolved: true,
      sentiment_score: 0.8,
      new_slot: '{"day":"tomorrow","from":"09:00"}',
    },
  }),
}
