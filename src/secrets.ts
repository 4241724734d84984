import { readFileSync } from 'node:fs'
import { errorCode } from './errors.ts'

export const MIN_SECRET_CHARACTERS = 16
/** As the specification of Standard Webhooks has it. */
const MIN_SIGNING_BYTES = 24
const MAX_SIGNING_BYTES = 64
const POLL_MS = 10_000

/** Where secrets come from: given values, or a file that is read again while the service runs. */
export type SecretSetting =
  | { readonly kind: 'values'; readonly values: readonly string[] }
  | { readonly kind: 'file'; readonly path: string }

/** Says what is wrong with secrets, in words that never hold one; `undefined` when all are usable. */
export type ProblemOf = (secrets: readonly string[]) => string | undefined

/** Splits the value of a setting, newest secret first. */
export function splitSecretValue(value: string): string[] {
  return nonEmpty(value.split(','))
}

/** Splits the content of a secret file, one secret a line, newest first. */
export function splitSecretFile(content: string): string[] {
  return nonEmpty(content.split(/\r?\n/))
}

/** The rule for webhook secrets. */
export function secretsProblem(secrets: readonly string[]): string | undefined {
  if (secrets.length === 0) return 'holds no secret'
  if (secrets.some((secret) => secret.length < MIN_SECRET_CHARACTERS)) {
    return `holds a secret of fewer than ${MIN_SECRET_CHARACTERS} characters`
  }
  return undefined
}

/** The rule for Standard Webhooks secrets, which sign what this service sends. */
export function signingSecretsProblem(secrets: readonly string[]): string | undefined {
  if (secrets.length === 0) return 'holds no secret'
  const isSecret = (secret: string) => {
    const [, text = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? []
    const { length } = Buffer.from(text, 'base64')
    return length >= MIN_SIGNING_BYTES && length <= MAX_SIGNING_BYTES
  }
  return secrets.every(isSecret)
    ? undefined
    : `must hold secrets like whsec_ and ${MIN_SIGNING_BYTES} to ${MAX_SIGNING_BYTES} bytes in base64`
}

/** The rule for an address that holds a secret. */
export function addressProblem(start: RegExp, schemes: string): ProblemOf {
  return ([address = '', ...more]) =>
    more.length === 0 && start.test(address) && !/\s/.test(address) && URL.canParse(address)
      ? undefined
      : `must hold one address with ${schemes}`
}

/**
 * The secrets in force, newest first. A file is looked at every 10 s, so that a rotation needs no restart;
 * content that turns unusable (empty, too short, unreadable) is reported once and the last good one stays.
 */
export class RotatingSecrets {
  #current: readonly string[]
  readonly #timer: NodeJS.Timeout | undefined
  #lastProblem: string | undefined

  /** @param problemOf what makes such secrets unusable, if anything does */
  constructor(
    setting: SecretSetting,
    onEvent: (event: { rotated: true } | { problem: string }) => void,
    problemOf: ProblemOf = secretsProblem,
  ) {
    if (setting.kind === 'values') {
      this.#current = setting.values
      return
    }
    this.#current = splitSecretFile(readFileSync(setting.path, 'utf8'))
    this.#timer = setInterval(() => {
      const next = readSecretFile(setting.path, problemOf)
      if ('problem' in next) {
        if (next.problem !== this.#lastProblem) onEvent(next)
        this.#lastProblem = next.problem
        return
      }
      this.#lastProblem = undefined
      if (next.secrets.join('\n') === this.#current.join('\n')) return
      this.#current = next.secrets
      onEvent({ rotated: true })
    }, POLL_MS)
    this.#timer.unref()
  }

  get current(): readonly string[] {
    return this.#current
  }

  close(): void {
    clearInterval(this.#timer)
  }
}

/** Reads a secret file once; the problem names the fault, never the content. */
export function readSecretFile(
  path: string,
  problemOf: ProblemOf = secretsProblem,
): { secrets: string[] } | { problem: string } {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    return { problem: `cannot be read (${errorCode(error) ?? 'unknown error'})` }
  }
  const secrets = splitSecretFile(content)
  const problem = problemOf(secrets)
  return problem === undefined ? { secrets } : { problem }
}

function nonEmpty(parts: string[]): string[] {
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}
