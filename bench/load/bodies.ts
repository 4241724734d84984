import { makeSentences } from './sentences.ts'

export const BODY_SIZES = ['1.5KB', '64KB', '1MB'] as const
export type BodySize = (typeof BODY_SIZES)[number]

const BYTES: Record<BodySize, number> = { '1.5KB': 1536, '64KB': 64 * 1024, '1MB': 1024 * 1024 }
const UUID_CHARACTERS = 36
/** Enough that no two neighbours in time are alike but for the id. */
const TEMPLATES = 16

/** A body with a gap for its id, so that thousands of them take little memory. */
export interface BodyTemplate {
  readonly before: Buffer
  readonly after: Buffer
}

/** Analyses of this size as CallCov sends them, with different transcripts. */
export function makeTemplates(size: BodySize): BodyTemplate[] {
  return Array.from({ length: TEMPLATES }, (_, seed) => makeTemplate(BYTES[size], seed + 1))
}

/** One whole body. */
export function fillTemplate({ before, after }: BodyTemplate, id: string): Buffer {
  return Buffer.concat([before, Buffer.from(id), after])
}

function makeTemplate(bytes: number, seed: number): BodyTemplate {
  const before = '{"id":"'
  const room = bytes - UUID_CHARACTERS - before.length - behindId([]).length
  const segments: Segment[] = []
  const sentences = makeSentences(seed)
  let used = 0
  let clock = 0
  while (used < room) {
    const start = clock
    const text = sentences.next().value.slice(0, Math.max((room - used - SEGMENT_CHARACTERS) / 2, 1))
    const end = toTenths(start + text.length / 14)
    clock = toTenths(end + 0.4)
    segments.push({ speaker: segments.length % 2 === 0 ? 'Agent' : 'Customer', text, start, end })
    used += 2 * text.length + SEGMENT_CHARACTERS
  }
  return { before: Buffer.from(before), after: Buffer.from(behindId(segments)) }
}

interface Segment {
  readonly speaker: 'Agent' | 'Customer'
  readonly text: string
  readonly start: number
  readonly end: number
}

/** What a segment takes in JSON besides its text, which stands there twice. */
const SEGMENT_CHARACTERS = 72

function behindId(segments: readonly Segment[]): string {
  const analysis = {
    object: 'analysis',
    created: 1_762_425_000,
    status: 'completed',
    livemode: true,
    call: { agent_id: 'agent_0147', contact_id: 'customer_2203' },
    audio: {
      url: 'https://audio.example/calls/recording.wav',
      duration_seconds: segments.at(-1)?.end ?? 0,
      format: 'wav',
    },
    transcript: {
      text: segments.map(({ speaker, text }) => `${speaker}: ${text}`).join('\n'),
      language: 'en',
      segments,
    },
    results: {
      compliance: { mandatory_disclosures: { read: true, flagged: false }, flagged: false },
      quality: { greeting: { present: true, flagged: false }, sentiment_analysis: { overall: 'positive' } },
      coaching: { customer_effort_score: 2, recommendations: [] },
    },
  }
  return `",${JSON.stringify(analysis).slice(1)}`
}

function toTenths(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
