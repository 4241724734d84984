import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { BUILTIN_SECRETS, builtinSettings, toBuiltin } from './builtin-settings.ts'
import { StartError } from './errors.ts'
import {
  OWN_SECRETS,
  readSecretSettings,
  readWebhookSecrets,
  SECRET_RULES,
  type Secrets,
} from './secret-settings.ts'
import type { SecretSetting } from './secrets.ts'
import {
  byteSize,
  duration,
  httpUrl,
  port,
  redisUrl,
  time,
  trustProxy,
  wholeNumber,
} from './setting-types.ts'
import { sources } from './sources/sources.ts'

const HOUR_MS = 3_600_000
/** CallCov's last retry comes 7 h 21 min after the first try; a memory shorter than that runs it twice. */
const MIN_DEDUPE_TTL_MS = 8 * HOUR_MS
/** Hamsa gives up after 5 s. */
const MAX_ANSWER_WITHIN_MS = 4_999
/** Ten years: whoever means longer means for ever, which no memory lasts. */
const MAX_KEPT_MS = 3650 * 24 * HOUR_MS

/**
 * Every setting, by its name in the environment. What a value may be, its default and its type are written here, for
 * built-in handlers and secrets in the files it imports, and nowhere else; `.env.example` explains them to users.
 */
const settings = z.object({
  NODE_ENV: z.string().optional(),
  ROLE: z.enum(['all', 'receiver', 'worker'], { error: 'must be all, receiver or worker' }).default('all'),
  HOST: z.string().default('0.0.0.0'),
  PORT: port(8080),
  ADMIN_HOST: z.string().default('127.0.0.1'),
  ADMIN_PORT: port(8081),
  PUBLIC_URL: httpUrl.optional(),
  ADMIN_URL: httpUrl.optional(),
  TRUST_PROXY: trustProxy.optional(),
  REDIS_URL: redisUrl.optional(),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.{}-]{1,40}$/, { error: 'must be 1 to 40 letters, digits or any of _ . - { }' })
    .default('callcov'),
  DATA_DIR: z.string().default('./data'),
  HANDLERS_DIR: z.string().default('./handlers'),
  DEDUPE_TTL: duration('30d', { minMs: MIN_DEDUPE_TTL_MS, maxMs: MAX_KEPT_MS }),
  STALE_AFTER: time({ minMs: MIN_DEDUPE_TTL_MS, maxMs: MAX_KEPT_MS }, '30d').optional(),
  BODY_LIMIT: byteSize('10mb', { min: 1024, max: 100 * 1024 * 1024 }),
  ANSWER_WITHIN: duration('4s', { minMs: 100, maxMs: MAX_ANSWER_WITHIN_MS }),
  HANDLER_CONCURRENCY: wholeNumber(20, { min: 1, max: 1000 }),
  HANDLER_TIMEOUT: duration('60s', { minMs: 10, maxMs: 24 * HOUR_MS }),
  HANDLER_ATTEMPTS: wholeNumber(40, { min: 1, max: 1000 }),
  HANDLER_BACKOFF: duration('5s', { maxMs: 24 * HOUR_MS }),
  HANDLER_BACKOFF_MAX: duration('1h', { maxMs: 7 * 24 * HOUR_MS }),
  ...builtinSettings,
  KEEP_COMPLETED: duration('1d', { minMs: HOUR_MS, maxMs: MAX_KEPT_MS }),
  KEEP_DEAD: duration('30d', { minMs: HOUR_MS, maxMs: MAX_KEPT_MS }),
  SHUTDOWN_GRACE: duration('25s', { minMs: 1000, maxMs: HOUR_MS }),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      error: 'must be trace, debug, info, warn, error or silent',
    })
    .default('info'),
})

const NAMES_WITH_FILE = ['REDIS_URL', ...SECRET_RULES.keys()]

/** The names of all settings, for the check of unknown ones and for the documents. */
export const SETTING_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(settings.shape),
  ...NAMES_WITH_FILE.flatMap((name) => [name, `${name}_FILE`]),
])
/** Of the others only what looks like ours: platforms and teams set names of their own with REDIS_, SLACK_ and so on. */
const OWN_PREFIXES =
  /^(HANDLERS?|BODY|DEDUPE|STALE|ANSWER|KEEP|ADMIN|PAYLOAD|SHUTDOWN|FORWARD|NOTIFY|ARCHIVE)_|^REDIS_(URL|PREF)|^LOG_EVENT|^(DATABASE|SLACK_WEBHOOK)_URL_F/
const SOURCE_PREFIXES = new Set(sources.map(({ secret }) => prefixOf(secret.setting)))
/** The providers' guides use these names for their API keys. */
const API_KEYS = new Set([...SOURCE_PREFIXES].map((prefix) => `${prefix}API_KEY`))
/** systemd sets the first, and Kubernetes adds the others by itself. */
const FOREIGN_NAMES = /^NOTIFY_SOCKET$|_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_\w+)?$/

export type Config = ReturnType<typeof toConfig>

/**
 * Reads all settings; throws one `StartError` that names every problem at once, without any value.
 * @param environment the variables of the process, `.env` already merged in
 */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const problems: string[] = []
  const given = givenSettings(environment, problems)
  const parsed = settings.safeParse(given)
  for (const issue of parsed.error?.issues ?? []) problems.push(`${issue.path.join('.')} ${issue.message}`)

  for (const name of NAMES_WITH_FILE) {
    if (isGiven(environment[name]) && isGiven(environment[`${name}_FILE`])) {
      problems.push(`${name} and ${name}_FILE are both set; keep one`)
    }
  }
  const webhookSecrets = readWebhookSecrets(environment, problems)
  const secrets = readSecretSettings(OWN_SECRETS, environment, problems)
  const production = given.NODE_ENV === 'production'
  if (production && given.ROLE !== 'worker' && webhookSecrets.size === 0) {
    const choices = sources.map(({ secret }) => `${secret.setting} (from ${secret.origin})`)
    problems.push(
      `${choices.join(' or ')} is required in production, or a file with it, named in the same setting with _FILE`,
    )
  }
  const isForwarding = given.FORWARD_URLS !== undefined && given.ROLE !== 'receiver'
  if (production && isForwarding && secrets.FORWARD_SECRET === undefined) {
    problems.push(
      'FORWARD_SECRET is required in production with FORWARD_URLS, so that targets can tell who sends; make one with: echo whsec_$(openssl rand -base64 32)',
    )
  }
  if (secrets.SLACK_WEBHOOK_URL !== undefined && secrets.NOTIFY_URL !== undefined) {
    problems.push('SLACK_WEBHOOK_URL and NOTIFY_URL are both set; keep one')
  }
  if (production && given.REDIS_URL === undefined && given.REDIS_URL_FILE === undefined) {
    problems.push('REDIS_URL is required in production; the word embedded runs a private redis-server')
  }
  const embedded = (given.REDIS_URL ?? 'embedded') === 'embedded'
  if (embedded && (given.ROLE === 'receiver' || given.ROLE === 'worker')) {
    problems.push(`REDIS_URL is required with ROLE=${given.ROLE}: the embedded Redis serves ROLE=all only`)
  }
  for (const name of Object.keys(environment)) {
    const isOurs = OWN_PREFIXES.test(name) || SOURCE_PREFIXES.has(prefixOf(name))
    if (isOurs && !SETTING_NAMES.has(name) && !API_KEYS.has(name) && !FOREIGN_NAMES.test(name)) {
      problems.push(
        `${name} is not a setting of this service, probably a typing error; .env.example lists all`,
      )
    }
  }
  if (!parsed.success || problems.length > 0) throw settingsError(problems)
  return toConfig(parsed.data, { ...secrets, webhookSecrets }, production)
}

/**
 * The settings of a tool that looks into what is stored, which no other setting keeps from its work.
 * @throws StartError as `loadConfig` does
 */
export function loadStoreSettings(
  environment: NodeJS.ProcessEnv,
): Pick<Config, 'redisUrl' | 'redisPrefix' | 'dataDir' | 'payloadKeys'> {
  const problems: string[] = []
  const given = givenSettings(environment, problems)
  const parsed = settings.pick({ REDIS_URL: true, REDIS_PREFIX: true, DATA_DIR: true }).safeParse(given)
  for (const issue of parsed.error?.issues ?? []) problems.push(`${issue.path.join('.')} ${issue.message}`)
  const { PAYLOAD_KEY: payloadKeys } = readSecretSettings(['PAYLOAD_KEY'], environment, problems)
  if (!parsed.success || problems.length > 0) throw settingsError(problems)
  return { ...redisSettings(parsed.data), payloadKeys }
}

/** The settings of the handlers that come with the service, for a tool that needs nothing else. */
export function loadBuiltinSettings(
  environment: NodeJS.ProcessEnv,
): Pick<Config, 'builtin' | 'adminUrl' | 'dedupeTtlMs' | 'dataDir'> {
  const problems: string[] = []
  const given = givenSettings(environment, problems)
  const needed = settings.pick({ ADMIN_URL: true, DEDUPE_TTL: true, DATA_DIR: true }).extend(builtinSettings)
  const parsed = needed.safeParse(given)
  for (const issue of parsed.error?.issues ?? []) problems.push(`${issue.path.join('.')} ${issue.message}`)
  const secrets = readSecretSettings(BUILTIN_SECRETS, environment, problems)
  if (!parsed.success || problems.length > 0) throw settingsError(problems)
  const { ADMIN_URL: adminUrl, DEDUPE_TTL: dedupeTtlMs, DATA_DIR: dataDir } = parsed.data
  return { builtin: toBuiltin(parsed.data, secrets), adminUrl, dedupeTtlMs, dataDir: resolve(dataDir) }
}

/** The variables that are set; the address of Redis also when it stands in a file. */
function givenSettings(environment: NodeJS.ProcessEnv, problems: string[]): NodeJS.ProcessEnv {
  // An empty variable means "not set", as `X=` in a .env file and `${X:-}` in compose do; not so for secrets.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => isGiven(value)))
  if (given.REDIS_URL_FILE === undefined) return given
  try {
    given.REDIS_URL = readFileSync(given.REDIS_URL_FILE, 'utf8').trim()
  } catch {
    problems.push('REDIS_URL_FILE cannot be read')
  }
  return given
}

function settingsError(problems: readonly string[]): StartError {
  const list = problems.map((problem) => `  - ${problem}`).join('\n')
  return new StartError('CALLCOV_SETTINGS', `These settings cannot work:\n${list}`)
}

function isGiven(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== ''
}

/** What is before the first `_`, with it. */
function prefixOf(name: string): string {
  return name.slice(0, name.indexOf('_') + 1)
}

function toConfig(
  env: z.output<typeof settings>,
  secrets: Secrets & { readonly webhookSecrets: ReadonlyMap<string, SecretSetting> },
  production: boolean,
) {
  return {
    production,
    role: env.ROLE,
    host: env.HOST,
    port: env.PORT,
    adminHost: env.ADMIN_HOST,
    adminPort: env.ADMIN_PORT,
    publicUrl: env.PUBLIC_URL,
    /** Where a team looks next; ends notifications. */
    adminUrl: env.ADMIN_URL,
    trustProxy: env.TRUST_PROXY,
    /** By name of the source; a source without is not served, or makes itself one in development. */
    webhookSecrets: secrets.webhookSecrets,
    payloadKeys: secrets.PAYLOAD_KEY,
    ...redisSettings(env),
    handlersDir: resolve(env.HANDLERS_DIR),
    builtin: toBuiltin(env, secrets),
    dedupeTtlMs: env.DEDUPE_TTL,
    /** `undefined`: no body is too old. */
    staleAfterMs: env.STALE_AFTER,
    bodyLimitBytes: env.BODY_LIMIT,
    answerWithinMs: env.ANSWER_WITHIN,
    handlerDefaults: {
      concurrency: env.HANDLER_CONCURRENCY,
      timeoutMs: env.HANDLER_TIMEOUT,
      attempts: env.HANDLER_ATTEMPTS,
      backoffMs: env.HANDLER_BACKOFF,
      backoffMaxMs: env.HANDLER_BACKOFF_MAX,
    },
    keepCompletedMs: env.KEEP_COMPLETED,
    keepDeadMs: env.KEEP_DEAD,
    shutdownGraceMs: env.SHUTDOWN_GRACE,
    logLevel: env.LOG_LEVEL,
  }
}

function redisSettings(env: Pick<z.output<typeof settings>, 'REDIS_URL' | 'REDIS_PREFIX' | 'DATA_DIR'>) {
  return {
    /** `undefined` stands for the embedded Redis. */
    redisUrl: env.REDIS_URL === 'embedded' ? undefined : env.REDIS_URL,
    redisPrefix: env.REDIS_PREFIX,
    dataDir: resolve(env.DATA_DIR),
  }
}
