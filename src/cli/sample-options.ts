import type { SampleLanguage } from './sample-sentences.ts'

export const SAMPLE_SHAPES = ['analysis', 'event'] as const

/** What a sample is to be like. */
export interface SampleOptions {
  /** One of those of its sender. */
  readonly event: string
  /** `analysis` is the object of CallCov's webhooks guide, `event` the envelope of its best practices. */
  readonly shape: (typeof SAMPLE_SHAPES)[number]
  readonly language: SampleLanguage
  /** Length of the transcript. */
  readonly segments: number
  readonly id?: string | undefined
}

export interface Sample {
  readonly id: string
  readonly body: Buffer
}
