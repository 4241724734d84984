import { resolve } from 'node:path'
import { developmentSecretPath, readDevelopmentSecret } from '../development-secrets.ts'
import { readSecretFile, splitSecretValue, type ProblemOf } from '../secrets.ts'
import type { Source, SourceEvent } from '../sources/source.ts'

/** `origin` says where the secret was found, so that a mismatch can be explained without showing it. */
export type SigningSecret =
  { readonly secret: string; readonly origin: string } | { readonly problem: string }

/**
 * Finds the secret as a service with the same settings would; of several the newest, which comes first.
 * @param given the value of `--secret`, which wins
 */
export function findSigningSecret(
  given: string | undefined,
  environment: NodeJS.ProcessEnv,
  source: Pick<Source<SourceEvent>, 'name' | 'secret'>,
): SigningSecret {
  if (given !== undefined) return { secret: given, origin: '--secret' }
  const { setting, problemOf, isMadeInDevelopment } = source.secret
  const { [setting]: value, [`${setting}_FILE`]: path } = environment
  if (value !== undefined) return newest(setting, splitSecretValue(value), problemOf)
  if (path !== undefined) {
    const read = readSecretFile(path, problemOf)
    if ('problem' in read) return { problem: `${setting}_FILE ${read.problem}` }
    return newest(`${setting}_FILE`, read.secrets, problemOf)
  }
  if (!isMadeInDevelopment) {
    return {
      problem: `No secret to send with: ${setting} is not set. Set it as the service has it, or pass it with --secret.`,
    }
  }

  const dataDir = resolve(environment.DATA_DIR?.trim() || './data')
  const secret = readDevelopmentSecret(dataDir, source.name)
  const file = developmentSecretPath(dataDir, source.name)
  if (secret !== undefined && secret !== '') return { secret, origin: file }
  return {
    problem:
      `No secret to sign with: ${setting} is not set and there is no ${file}.\n` +
      'Start the service once with "npm start", which makes one, or pass the secret of the service with --secret.',
  }
}

function newest(origin: string, secrets: readonly string[], problemOf: ProblemOf): SigningSecret {
  const problem = problemOf(secrets)
  const [secret] = secrets
  return secret === undefined || problem !== undefined
    ? { problem: `${origin} ${problem}` }
    : { secret, origin }
}
