import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import { z } from 'zod'
import { sha256Hex } from './delivery-id.ts'
import type { PayloadKeys } from './payload-keys.ts'

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
  /** Of the key that the body is sealed with, if it is. */
  keyId: z.string().optional(),
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

/**
 * Below this, zstd saves too little to pay for itself: the context that Node makes for each call took a third of all
 * processor time of accepting 1.5 KB, 0.1 ms, to save 0.9 KB.
 */
const COMPRESS_FROM_BYTES = 4096
/** From here zstd runs in the thread pool: it would hold up small webhooks for over 0.1 ms. */
const ASYNC_FROM_BYTES = 128 * 1024
/** Level 3, zstd's own: a transcript of 64 KB is a tenth smaller than at level 1, for 0.03 ms more. */
const QUICK_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }
/** Level 1: at 1 MB the higher ones take more time than they save Redis. */
const LARGE_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

const compressAsync = promisify(zstdCompress)
const decompressAsync = promisify(zstdDecompress)

export interface EncodedBody {
  readonly encoding: 'base64' | 'zstd'
  readonly keyId?: string
  /** Base64 text: BullMQ stores job data as JSON. */
  readonly data: string
}

/** Encodes the exact bytes for Redis: compressed when that pays, and sealed when there is a key. */
export async function encodeBody(rawBody: Buffer, keys: PayloadKeys): Promise<EncodedBody> {
  const compressed = await compress(rawBody)
  const isSmaller = compressed !== undefined && compressed.length < rawBody.length
  const encoding = isSmaller ? 'zstd' : 'base64'
  const encoded = isSmaller ? compressed : rawBody
  const seal = keys.seal(encoded)
  if (seal === undefined) return { encoding, data: encoded.toString('base64') }
  return { encoding, keyId: seal.keyId, data: seal.sealed.toString('base64') }
}

async function compress(rawBody: Buffer): Promise<Buffer | undefined> {
  if (rawBody.length < COMPRESS_FROM_BYTES) return undefined
  if (rawBody.length < ASYNC_FROM_BYTES) return zstdCompressSync(rawBody, QUICK_OPTIONS)
  return await compressAsync(rawBody, LARGE_OPTIONS)
}

export type DecodedBody =
  { readonly ok: true; readonly rawBody: Buffer } | { readonly ok: false; readonly problem: string }

/** The exact bytes again, checked against the length and digest in the metadata. Never throws. */
export async function decodeBody(
  data: string,
  { encoding, keyId, bytes, sha256 }: Metadata,
  keys: PayloadKeys,
): Promise<DecodedBody> {
  const stored = Buffer.from(data, 'base64')
  const opened = keyId === undefined ? ({ ok: true, plain: stored } as const) : keys.open(stored, keyId)
  if (!opened.ok) return opened
  if (encoding !== 'base64' && encoding !== 'zstd') {
    return { ok: false, problem: `its encoding ${encoding} is unknown to this release` }
  }
  try {
    const rawBody = encoding === 'zstd' ? await decompress(opened.plain, bytes) : opened.plain
    if (rawBody.length === bytes && sha256Hex(rawBody) === sha256) return { ok: true, rawBody }
  } catch {
    // Cut off, or no zstd at all.
  }
  return { ok: false, problem: 'its stored body is damaged' }
}

async function decompress(compressed: Buffer, bytes: number): Promise<Buffer> {
  const limit = { maxOutputLength: Math.max(bytes, 1) }
  return bytes < ASYNC_FROM_BYTES
    ? zstdDecompressSync(compressed, limit)
    : await decompressAsync(compressed, limit)
}
