import { resolve } from 'node:path'
import { payloadKeysProblem } from './inbox/payload-keys.ts'
import {
  addressProblem,
  readSecretFile,
  signingSecretsProblem,
  splitSecretValue,
  type ProblemOf,
  type SecretSetting,
} from './secrets.ts'
import { targetUrlProblem } from './handlers/builtin/http/target-url.ts'
import { sources } from './sources/sources.ts'

const webAddressProblem = addressProblem(/^https?:\/\/./, 'http:// or https://')

/** Also what would refuse each post to it. */
const postAddressProblem: ProblemOf = (addresses) =>
  webAddressProblem(addresses) ?? targetUrlProblem(addresses[0] ?? '')

const OWN_RULES = {
  PAYLOAD_KEY: payloadKeysProblem,
  FORWARD_SECRET: signingSecretsProblem,
  DATABASE_URL: addressProblem(/^postgres(ql)?:\/\/./, 'postgres:// or postgresql://'),
  SLACK_WEBHOOK_URL: postAddressProblem,
  NOTIFY_URL: postAddressProblem,
} as const satisfies Record<string, ProblemOf>
type OwnSecret = keyof typeof OWN_RULES
export type Secrets = Readonly<Record<OwnSecret, SecretSetting | undefined>>

/** The settings that hold a secret, but for those of the sources. */
export const OWN_SECRETS = Object.keys(OWN_RULES) as OwnSecret[]

/** All of them, and what makes one unusable: each may also be the path of a file in `<name>_FILE`. */
export const SECRET_RULES: ReadonlyMap<string, ProblemOf> = new Map<string, ProblemOf>([
  ...sources.map(({ secret }) => [secret.setting, secret.problemOf] as const),
  ...Object.entries(OWN_RULES),
])

/** What a secret may be left empty for; else a variable that a script failed to fill would go unnoticed. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set([
  'FORWARD_SECRET',
  'DATABASE_URL',
  'SLACK_WEBHOOK_URL',
  'NOTIFY_URL',
])
/** Whatever else lies in an address, a comma does not end it. */
const ADDRESSES: ReadonlySet<string> = new Set(['DATABASE_URL', 'SLACK_WEBHOOK_URL', 'NOTIFY_URL'])

/** Where these secrets come from; `undefined` for one that is not set. What is wrong is added to the problems. */
export function readSecretSettings<Name extends OwnSecret>(
  names: readonly Name[],
  environment: NodeJS.ProcessEnv,
  problems: string[],
): Pick<Secrets, Name> {
  const read = names.map((name) => [name, readSecretSetting(name, OWN_RULES[name], environment, problems)])
  return Object.fromEntries(read) as Pick<Secrets, Name>
}

/** The same for the secrets of the sources, by name of the source. */
export function readWebhookSecrets(
  environment: NodeJS.ProcessEnv,
  problems: string[],
): ReadonlyMap<string, SecretSetting> {
  const given = sources.map(({ name, secret }) => {
    const setting = readSecretSetting(secret.setting, secret.problemOf, environment, problems)
    return setting === undefined ? [] : ([[name, setting]] as const)
  })
  return new Map(given.flat())
}

function readSecretSetting(
  name: string,
  problemOf: ProblemOf,
  environment: NodeJS.ProcessEnv,
  problems: string[],
): SecretSetting | undefined {
  const isSet = (text: string | undefined) =>
    text !== undefined && (text.trim() !== '' || !MAY_BE_EMPTY.has(name))
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
