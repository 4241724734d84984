import { resolve } from 'node:path'
import { payloadKeysProblem } from './inbox/payload-keys.ts'
import {
  addressProblem,
  readSecretFile,
  secretsProblem,
  signingSecretsProblem,
  splitSecretValue,
  type ProblemOf,
  type SecretSetting,
} from './secrets.ts'

/** Settings that hold a secret, and what makes one unusable: each may also be the path of a file in `<name>_FILE`. */
export const SECRET_SETTINGS = {
  CALLCOV_WEBHOOK_SECRET: secretsProblem,
  PAYLOAD_KEY: payloadKeysProblem,
  FORWARD_SECRET: signingSecretsProblem,
  DATABASE_URL: addressProblem(/^postgres(ql)?:\/\/./, 'postgres:// or postgresql://'),
  SLACK_WEBHOOK_URL: addressProblem(/^https?:\/\/./, 'http:// or https://'),
  NOTIFY_URL: addressProblem(/^https?:\/\/./, 'http:// or https://'),
} as const satisfies Record<string, ProblemOf>
export type SecretSettingName = keyof typeof SECRET_SETTINGS
export type Secrets = Readonly<Record<SecretSettingName, SecretSetting | undefined>>

/** What a secret cannot be left empty for, lest a variable that a script failed to fill goes unnoticed. */
const NEVER_EMPTY: ReadonlySet<SecretSettingName> = new Set(['CALLCOV_WEBHOOK_SECRET', 'PAYLOAD_KEY'])
/** Whatever else lies in an address, a comma does not end it. */
const ADDRESSES: ReadonlySet<SecretSettingName> = new Set(['DATABASE_URL', 'SLACK_WEBHOOK_URL', 'NOTIFY_URL'])

/** Where a secret comes from; `undefined` when it is not set. What is wrong with it is added to the problems. */
export function readSecretSetting(
  name: SecretSettingName,
  environment: NodeJS.ProcessEnv,
  problems: string[],
): SecretSetting | undefined {
  const problemOf = SECRET_SETTINGS[name]
  const isSet = (text: string | undefined) =>
    text !== undefined && (text.trim() !== '' || NEVER_EMPTY.has(name))
  const { [name]: value, [`${name}_FILE`]: path } = environment
  if (path !== undefined && isSet(path) && !isSet(value)) {
    const read = readSecretFile(path, problemOf)
    if ('problem' in read) problems.push(`${name}_FILE ${read.problem}`)
    return { kind: 'file', path: resolve(path) }
  }
  if (value === undefined || !isSet(value)) return undefined
  const values = ADDRESSES.has(name) ? [value.trim()] : splitSecretValue(value)
  const problem = problemOf(values)
  if (problem !== undefined) problems.push(`${name} ${problem}`)
  return { kind: 'values', values }
}
