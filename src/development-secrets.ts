import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode } from './errors.ts'

const CALLCOV_SECRET_FILE = 'callcov-webhook-secret'

/** The file that holds the secret of a development service. */
export function developmentSecretPath(dataDir: string): string {
  return join(dataDir, CALLCOV_SECRET_FILE)
}

/** Makes the secret of a development service once, readable by its owner only, and returns the file's path. */
export function ensureDevelopmentSecret(dataDir: string): string {
  const path = developmentSecretPath(dataDir)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(path, `whsec_${randomBytes(24).toString('base64url')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
  return path
}

/** The secret that a development service in this directory uses; `undefined` when none was started there yet. */
export function readDevelopmentSecret(dataDir: string): string | undefined {
  try {
    return readFileSync(developmentSecretPath(dataDir), 'utf8').trim()
  } catch {
    return undefined
  }
}
