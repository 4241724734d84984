import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from './errors.ts'

/** The file that holds the secret of a source in a development service. */
export function developmentSecretPath(dataDir: string, source: string): string {
  return join(dataDir, `${source}-webhook-secret`)
}

/** Makes the secret of a development service once, readable by its owner only, and returns the file's path. */
export function ensureDevelopmentSecret(dataDir: string, source: string): string {
  const path = developmentSecretPath(dataDir, source)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(path, `whsec_${randomBytes(24).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
  return path
}

/** The secret that a development service in this directory uses; `undefined` when none was started there yet. */
export function readDevelopmentSecret(dataDir: string, source: string): string | undefined {
  try {
    return readFileSync(developmentSecretPath(dataDir, source), 'utf8').trim()
  } catch {
    return undefined
  }
}
