import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib'
import { z } from 'zod'

/** Raised with every change of the metadata that an older worker would misread. */
export const ENVELOPE_VERSION = 1

/** Why a recognised delivery is held back as a dead letter until somebody replays it. */
export const HOLDS = ['conflict'] as const

/** What the inbox knows of a delivery without its body; it is the name of the BullMQ job, as compact JSON. */
const metadataSchema = z.object({
  version: z.int().positive(),
  source: z.string(),
  /** `null` when the body names no known event. */
  type: z.string().nullable(),
  /** The provider's id; `null` when the body has none. */
  id: z.string().nullable(),
  /** Unix milliseconds. */
  receivedAt: z.int(),
  bytes: z.int().nonnegative(),
  sha256: z.string().length(64),
  encoding: z.string(),
  origin: z.enum(['webhook', 'fetched']),
  hold: z.enum(HOLDS).optional(),
})
export type Metadata = z.output<typeof metadataSchema>

/** The job name for these metadata. */
export function encodeMetadata(metadata: Metadata): string {
  return JSON.stringify(metadata)
}

export type DecodedMetadata =
  | { readonly ok: true; readonly metadata: Metadata }
  /** `version` when a newer release wrote it, so that a newer worker may still read it. */
  | { readonly ok: false; readonly problem: 'version' | 'malformed' }

export function decodeMetadata(jobName: string): DecodedMetadata {
  let json: unknown
  try {
    json = JSON.parse(jobName)
  } catch {
    return { ok: false, problem: 'malformed' }
  }
  const parsed = metadataSchema.safeParse(json)
  if (parsed.success && parsed.data.version <= ENVELOPE_VERSION) return { ok: true, metadata: parsed.data }
  const version = z.object({ version: z.int() }).safeParse(json)
  const newer = version.success && version.data.version > ENVELOPE_VERSION
  return { ok: false, problem: newer ? 'version' : 'malformed' }
}

/** Below this, zstd saves too little to pay for itself. */
const COMPRESS_FROM_BYTES = 1024
/** From here compression runs in the thread pool: it would hold up small webhooks for over 0.1 ms. */
const COMPRESS_ASYNC_FROM_BYTES = 128 * 1024
/** Level 1: 0.12 ms for a transcript of 200 KB, 8 times smaller; higher levels cost more than they save. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

const compressAsync = promisify(zstdCompress)
const decompressAsync = promisify(zstdDecompress)

export interface EncodedBody {
  readonly encoding: 'base64' | 'zstd'
  /** Base64 text: BullMQ stores job data as JSON. */
  readonly data: string
}

/** Encodes the exact bytes for Redis, compressed when that pays. */
export async function encodeBody(rawBody: Buffer): Promise<EncodedBody> {
  if (rawBody.length >= COMPRESS_FROM_BYTES) {
    const compressed =
      rawBody.length < COMPRESS_ASYNC_FROM_BYTES
        ? zstdCompressSync(rawBody, ZSTD_OPTIONS)
        : await compressAsync(rawBody, ZSTD_OPTIONS)
    if (compressed.length < rawBody.length) return { encoding: 'zstd', data: compressed.toString('base64') }
  }
  return { encoding: 'base64', data: rawBody.toString('base64') }
}

/**
 * The exact bytes again; `undefined` when the encoding is one this release does not know.
 * @throws when the data are damaged, or of another length than the metadata say
 */
export async function decodeBody(data: string, { encoding, bytes }: Metadata): Promise<Buffer | undefined> {
  const stored = Buffer.from(data, 'base64')
  if (encoding !== 'base64' && encoding !== 'zstd') return undefined
  const body =
    encoding === 'base64' ? stored : await decompressAsync(stored, { maxOutputLength: Math.max(bytes, 1) })
  if (body.length !== bytes) throw new Error('the stored body is not as long as its metadata say')
  return body
}
