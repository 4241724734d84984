import { InvalidArgumentError, Option } from 'commander'
import { rate, text, wholeNumber } from './option-values.ts'
import { SAMPLE_SHAPES, type SampleOptions } from './sample-options.ts'
import { SAMPLE_LANGUAGES } from './sample-sentences.ts'
import { SENDERS } from './senders.ts'

export interface SendOptions extends Pick<SampleOptions, 'language' | 'segments' | 'id'> {
  readonly source: keyof typeof SENDERS
  readonly event?: string
  readonly shape?: SampleOptions['shape']
  readonly count: number
  readonly rate?: number
  readonly concurrency?: number
  readonly duplicate?: true
  readonly badSignature?: true
  readonly secret?: string
  readonly url?: URL
  readonly file?: string
  readonly json?: true
}

const MAX_COUNT = 10_000_000
const MAX_SEGMENTS = 100_000
const MAX_CONCURRENCY = 10_000

/** The options of `send`, in the order its help shows them. */
export function sendOptions(): Option[] {
  return [
    new Option('--source <provider>', 'as whom').choices(Object.keys(SENDERS)).default('callcov'),
    new Option('--event <event>', 'how the analysis ended, or what happened in the call')
      .choices(Object.values(SENDERS).flatMap(({ events }) => events))
      .default(undefined, 'completed, or call.ended'),
    new Option('--shape <shape>', 'which of the two bodies that CallCov documents')
      .choices(SAMPLE_SHAPES)
      .default(undefined, 'analysis'),
    new Option('--language <code>', 'of the transcript').choices(SAMPLE_LANGUAGES).default('en'),
    new Option('--segments <n>', 'length of the transcript')
      .argParser(wholeNumber(0, MAX_SEGMENTS))
      .default(10),
    new Option(
      '--id <id>',
      'analysis or call id instead of a random one; the next ones end in -2, -3 ...',
    ).argParser(text),
    new Option('--file <path>', 'send exactly these bytes instead of a sample')
      .argParser(text)
      .conflicts(['event', 'shape', 'language', 'segments', 'id']),
    new Option('--count <n>', 'how many webhooks').argParser(wholeNumber(1, MAX_COUNT)).default(1),
    new Option('--duplicate', 'send each one twice, byte for byte'),
    new Option('--rate <per-second>', 'requests a second (default: as fast as answers come)').argParser(rate),
    new Option('--concurrency <n>', 'requests open at once (default: 10, with --rate 1000)').argParser(
      wholeNumber(1, MAX_CONCURRENCY),
    ),
    new Option(
      '--url <url>',
      'where to (default: the path of the provider at http://localhost:8080, or the port in PORT)',
    ).argParser(webUrl),
    new Option(
      '--secret <text>',
      'to sign with, or the token (default: as the service finds its own)',
    ).argParser(text),
    new Option('--bad-signature', 'use a random secret and expect 401'),
    new Option('--json', 'write the summary as one line of JSON'),
  ]
}

/** The address as `fetch` takes it. */
export function webUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError('It must be an http:// or https:// address without a user name.')
  }
  return url
}
