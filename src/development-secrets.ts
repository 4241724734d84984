import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorCode } from './errors.ts'

/** The file that holds the secret of a source in a development service. */
export function developmentSecretPath(dataDir: string, source: string): string {
  return join(dataDir, `${source}-webhook-secret`)
}

/** The file that holds the secret with which a development service signs what it forwards. */
export function developmentForwardSecretPath(dataDir: string): string {
  return join(dataDir, 'forward-secret')
}

/** Makes the secret of a source once, readable by its owner only, and returns the file's path. */
export function ensureDevelopmentSecret(dataDir: string, source: string): string {
  return ensureFile(developmentSecretPath(dataDir, source), `whsec_${randomBytes(24).toString('base64url')}`)
}

/** The same for the secret with which it signs what it forwards. */
export function ensureDevelopmentForwardSecret(dataDir: string): string {
  return ensureFile(developmentForwardSecretPath(dataDir), `whsec_${randomBytes(32).toString('base64')}`)
}

/** The secret that a development service in this directory uses; `undefined` when none was started there yet. */
export function readDevelopmentSecret(dataDir: string, source: string): string | undefined {
  try {
    return readFileSync(developmentSecretPath(dataDir, source), 'utf8').trim()
  } catch {
    return undefined
  }
}

function ensureFile(path: string, secret: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(path, `${secret}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
  }
  return path
}
