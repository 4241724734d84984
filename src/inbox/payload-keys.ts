import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
/** 96 bits, as NIST SP 800-38D recommends for random ones; good for 2^32 bodies under one key. */
const IV_BYTES = 12
const TAG_BYTES = 16
const SEALED_TEXT = /^sealed\.([0-9a-f]{8})\.([A-Za-z0-9+/=]+)$/

/** What is wrong with these keys, in words that never hold one; `undefined` when all are usable. */
export function payloadKeysProblem(keys: readonly string[]): string | undefined {
  if (keys.length === 0) return 'holds no key'
  const isKey = (key: string) => /^[A-Za-z0-9+/]{43}=$/.test(key)
  return keys.every(isKey)
    ? undefined
    : `must hold keys of ${KEY_BYTES} bytes in base64 (openssl rand -base64 32)`
}

export type Opened =
  { readonly ok: true; readonly plain: Buffer } | { readonly ok: false; readonly problem: string }

/**
 * Seals what Redis keeps with AES-256-GCM: the newest key seals, any key opens what it sealed. Without keys nothing
 * is sealed, and what was sealed stays closed.
 */
export class PayloadKeys {
  readonly #current: () => readonly string[]

  /** @param current the keys in force, newest first */
  constructor(current: () => readonly string[] = () => []) {
    this.#current = current
  }

  /** Whether texts may be shown only to who has a key: then none goes to the log either. */
  get isSealing(): boolean {
    return this.#current().length > 0
  }

  /** The sealed form and the id of its key; `undefined` when nothing is to be sealed. */
  seal(plain: Buffer): { readonly keyId: string; readonly sealed: Buffer } | undefined {
    const [newest] = this.#current()
    if (newest === undefined) return undefined
    const key = Buffer.from(newest, 'base64')
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(ALGORITHM, key, iv)
    const encrypted = Buffer.concat([cipher.update(plain), cipher.final()])
    return { keyId: keyIdOf(key), sealed: Buffer.concat([iv, cipher.getAuthTag(), encrypted]) }
  }

  open(sealed: Buffer, keyId: string): Opened {
    const keys = this.#current().map((text) => Buffer.from(text, 'base64'))
    const key = keys.find((candidate) => keyIdOf(candidate) === keyId)
    if (key === undefined)
      return { ok: false, problem: `it is sealed with the key ${keyId}, which PAYLOAD_KEY lacks` }
    try {
      const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, IV_BYTES))
      decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
      const plain = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()])
      return { ok: true, plain }
    } catch {
      return { ok: false, problem: 'its seal is broken' }
    }
  }

  /** A text as it may be kept in Redis: error messages may quote what a handler worked on. */
  sealText(text: string): string {
    const seal = this.seal(Buffer.from(text))
    return seal === undefined ? text : `sealed.${seal.keyId}.${seal.sealed.toString('base64')}`
  }

  /** The text again, or why it stays closed. */
  openText(text: string): string {
    const [, keyId, data] = SEALED_TEXT.exec(text) ?? []
    if (keyId === undefined || data === undefined) return text
    const opened = this.open(Buffer.from(data, 'base64'), keyId)
    return opened.ok ? opened.plain.toString() : `(${opened.problem})`
  }
}

/** Tells keys apart without telling anything of them. */
function keyIdOf(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8)
}
