import { randomUUID } from 'node:crypto'
import type { Sample, SampleOptions } from './sample-options.ts'
import { SENTENCES } from './sample-sentences.ts'

export const ANALYSIS_OUTCOMES = ['completed', 'failed'] as const

const SPOKEN_CHARACTERS_PER_SECOND = 14
const PAUSE_SECONDS = 0.4

/** Makes the body of one webhook as CallCov sends it: a fresh id unless given one, created now. */
export function makeAnalysis(options: SampleOptions): Sample {
  const { id = randomUUID(), event, shape } = options
  const created = Math.floor(Date.now() / 1000)
  const analysis = event === 'failed' ? failed(id, created) : completed(id, created, options)
  const json = shape === 'analysis' ? analysis : eventAround(analysis)
  return { id, body: Buffer.from(JSON.stringify(json)) }
}

function completed(id: string, created: number, { language, segments: count }: SampleOptions) {
  const segments = makeSegments(SENTENCES[language], count)
  return {
    ...head(id, created, 'completed'),
    audio: audio(id, segments.at(-1)?.end ?? 0),
    transcript: { text: segments.map(({ speaker, text }) => `${speaker}: ${text}`).join('\n'), segments },
    results: {
      compliance: { mandatory_disclosures: { read: true, flagged: false }, flagged: false },
      quality: { greeting: { present: true, flagged: false }, sentiment_analysis: { overall: 'positive' } },
      coaching: {
        customer_effort_score: 2,
        recommendations: [
          { priority: 'low', category: 'closing', message: 'Say once more what was agreed before goodbye.' },
        ],
      },
    },
  }
}

function failed(id: string, created: number) {
  const error_message = 'The audio could not be transcribed: no speech was found in it'
  return {
    ...head(id, created, 'failed'),
    audio: audio(id, 0),
    transcript: null,
    results: null,
    error_message,
  }
}

function head(id: string, created: number, status: (typeof ANALYSIS_OUTCOMES)[number]) {
  return {
    id,
    object: 'analysis',
    created,
    status,
    call: { agent_id: 'agent_sample', contact_id: 'customer_sample' },
  }
}

/** Of `.example`, which exists nowhere. */
function audio(id: string, durationSeconds: number) {
  return {
    url: `https://audio.example/${encodeURIComponent(id)}.wav`,
    duration_seconds: durationSeconds,
    format: 'wav',
  }
}

/**
 * The documents leave open whether `result` is the results alone or the analysis around them; with the second,
 * language and length of the transcript count in this shape too.
 */
function eventAround(analysis: ReturnType<typeof completed> | ReturnType<typeof failed>) {
  const { id: analysis_id, created } = analysis
  if (!('error_message' in analysis)) return { event: 'analysis.completed', analysis_id, result: analysis }
  const error = { code: 'no_speech', message: analysis.error_message }
  return { event: 'analysis.failed', analysis_id, created, error }
}

function makeSegments(sentences: readonly string[], count: number) {
  let clock = 0
  return Array.from({ length: count }, (_, index) => {
    const text = sentences[index % sentences.length] ?? ''
    const start = clock
    const end = toTenths(start + text.length / SPOKEN_CHARACTERS_PER_SECOND)
    clock = toTenths(end + PAUSE_SECONDS)
    return { speaker: index % 2 === 0 ? 'Agent' : 'Customer', text, start, end }
  })
}

function toTenths(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
