import { resolve } from 'node:path'
import { developmentSecretPath, readDevelopmentSecret } from '../development-secrets.ts'
import { readSecretFile, secretsProblem, splitSecretValue } from '../secrets.ts'

/** `origin` says where the secret was found, so that a mismatch can be explained without showing it. */
export type SigningSecret =
  { readonly secret: string; readonly origin: string } | { readonly problem: string }

/**
 * Finds the secret as a service with the same settings would; of several the newest, which comes first.
 * @param given the value of `--secret`, which wins
 */
export function findSigningSecret(given: string | undefined, environment: NodeJS.ProcessEnv): SigningSecret {
  if (given !== undefined) return { secret: given, origin: '--secret' }
  const { CALLCOV_WEBHOOK_SECRET: value, CALLCOV_WEBHOOK_SECRET_FILE: path } = environment
  if (value !== undefined) return newest('CALLCOV_WEBHOOK_SECRET', splitSecretValue(value))
  if (path !== undefined) {
    const read = readSecretFile(path)
    if ('problem' in read) return { problem: `CALLCOV_WEBHOOK_SECRET_FILE ${read.problem}` }
    return newest('CALLCOV_WEBHOOK_SECRET_FILE', read.secrets)
  }

  const dataDir = resolve(environment.DATA_DIR?.trim() || './data')
  const secret = readDevelopmentSecret(dataDir)
  const file = developmentSecretPath(dataDir)
  if (secret !== undefined && secret !== '') return { secret, origin: file }
  return {
    problem:
      `No secret to sign with: CALLCOV_WEBHOOK_SECRET is not set and there is no ${file}.\n` +
      'Start the service once with "npm start", which makes one, or pass the secret of the service with --secret.',
  }
}

function newest(origin: string, secrets: readonly string[]): SigningSecret {
  const problem = secretsProblem(secrets)
  const [secret] = secrets
  return secret === undefined || problem !== undefined
    ? { problem: `${origin} ${problem}` }
    : { secret, origin }
}
