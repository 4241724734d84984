import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { secretsProblem } from '../../secrets.ts'
import type { Authentication } from '../source.ts'

/** One blank, and no comma: that would join two headers, of which one might be somebody else's. */
const BEARER = /^bearer ([!-+\--~]+)$/i
const SCHEME = /^bearer\s+/i
const TOKEN = /^[!-+\--~]+$/

/** The rule for tokens: that for secrets, once the word `Bearer` is off, and what a header can carry. */
export function tokensProblem(secrets: readonly string[]): string | undefined {
  const tokens = secrets.map(withoutScheme)
  if (tokens.every((token) => TOKEN.test(token))) return secretsProblem(tokens)
  return 'holds a token with a blank, or with another character than ASCII has for tokens'
}

/** The value of `Authorization` with this token, configured with the word `Bearer` or without. */
export function bearerOf(secret: string): string {
  return `Bearer ${withoutScheme(secret)}`
}

/** Compares with every token, matching or not; digests, so that lengths tell nothing either. */
export function verifyToken(headers: IncomingHttpHeaders, secrets: readonly string[]): Authentication {
  const given = BEARER.exec(headers.authorization ?? '')?.[1]
  if (given === undefined) return { ok: false }
  const digest = sha256(given)
  let position = -1
  for (const [index, secret] of secrets.entries()) {
    if (timingSafeEqual(digest, sha256(withoutScheme(secret))) && position === -1) position = index
  }
  return position === -1 ? { ok: false } : { ok: true, position }
}

function withoutScheme(secret: string): string {
  return secret.replace(SCHEME, '')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
