import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../support/temp-dir.ts'
import { GOOD_SECRET, PRODUCTION, problemsOf, refusalText } from './support/settings.ts'

/** Values that cannot work, and why. */
const BAD_VALUES: [name: string, value: string, why: string][] = [
  ['ROLE', 'CANARY', 'no role'],
  ['PORT', 'CANARY', 'no number'],
  ['PORT', '-1', 'negative'],
  ['PORT', '65536', 'one too many'],
  ['PORT', '80.5', 'no whole number'],
  ['PORT', '0x50', 'no decimal number'],
  ['ADMIN_PORT', 'CANARY', 'no number'],
  ['PUBLIC_URL', 'CANARY', 'no address'],
  ['PUBLIC_URL', 'ftp://CANARY.example', 'another scheme'],
  ['TRUST_PROXY', 'true', 'trusting everybody is no setting'],
  ['TRUST_PROXY', 'CANARY', 'neither number nor network'],
  ['TRUST_PROXY', '10.0.0.1,', 'an empty entry'],
  ['TRUST_PROXY', '10.0.0.0/33', 'an IPv4 network of 33 bits'],
  ['TRUST_PROXY', 'fd00::/129', 'an IPv6 network of 129 bits'],
  ['REDIS_URL', 'http://u:CANARY@host', 'another scheme'],
  ['REDIS_URL', 'redis://', 'no host'],
  ['REDIS_URL', 'host:6379', 'no scheme'],
  ['REDIS_URL', 'redis://u:CANARY@host:99999', 'a port that does not exist'],
  ['REDIS_URL', 'redis://u:CANARY@ho st', 'a blank in the host'],
  ['REDIS_PREFIX', 'a:CANARY', 'the separator of keys'],
  ['REDIS_PREFIX', 'a'.repeat(41), 'too long'],
  ['DEDUPE_TTL', '7h', 'shorter than the retries of CallCov'],
  ['DEDUPE_TTL', '30', 'no unit'],
  ['DEDUPE_TTL', 'CANARY', 'no time'],
  ['DEDUPE_TTL', `${'9'.repeat(200)}d`, 'longer than any time'],
  ['BODY_LIMIT', '10', 'smaller than any webhook'],
  ['BODY_LIMIT', '101mb', 'more than memory is planned for'],
  ['BODY_LIMIT', 'CANARY', 'no size'],
  ['ANSWER_WITHIN', '5s', 'Hamsa has given up by then'],
  ['ANSWER_WITHIN', '99ms', 'no time to answer'],
  ['ANSWER_WITHIN', '-4s', 'negative'],
  ['HANDLER_CONCURRENCY', '0', 'none at all'],
  ['HANDLER_CONCURRENCY', '1.5', 'no whole number'],
  ['HANDLER_TIMEOUT', '0s', 'no time'],
  ['HANDLER_TIMEOUT', '30d', 'longer than a timer runs'],
  ['HANDLER_ATTEMPTS', '0', 'none at all'],
  ['HANDLER_ATTEMPTS', 'CANARY', 'no number'],
  ['HANDLER_BACKOFF', '5 parsecs', 'no unit of time'],
  ['HANDLER_BACKOFF_MAX', 'CANARY', 'no time'],
  ['KEEP_COMPLETED', '59m', 'gone before anybody looks'],
  ['KEEP_DEAD', '59m', 'gone before anybody looks'],
  ['SHUTDOWN_GRACE', '0s', 'no time'],
  ['LOG_LEVEL', 'CANARY', 'no level'],
  ['CALLCOV_WEBHOOK_SECRET', '', 'empty'],
  ['CALLCOV_WEBHOOK_SECRET', ' \t ', 'blank'],
  ['CALLCOV_WEBHOOK_SECRET', ',,', 'nothing but separators'],
  ['CALLCOV_WEBHOOK_SECRET', 'CANARY-15-chars', 'too short'],
  ['CALLCOV_WEBHOOK_SECRET', `${GOOD_SECRET},CANARY`, 'the second one too short'],
  ['HAMSA_WEBHOOK_TOKEN', '', 'empty'],
  ['HAMSA_WEBHOOK_TOKEN', 'Bearer CANARY-15-chars', 'too short without the word Bearer'],
  ['HAMSA_WEBHOOK_TOKEN', `${GOOD_SECRET} CANARY`, 'a blank, which no token has'],
  ['HAMSA_WEBHOOK_TOKEN', `${GOOD_SECRET},CANARY`, 'the second one too short'],
  ['CALLCOV_WEBHOOK_SECRET_FILE', '/CANARY/nowhere', 'no such file'],
  ['HAMSA_WEBHOOK_TOKEN_FILE', '/CANARY/nowhere', 'no such file'],
  ['REDIS_URL_FILE', '/CANARY/nowhere', 'no such file'],
]

describe('a value that cannot work', () => {
  it.each(BAD_VALUES)('%s=%s is refused by name: %s', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringContaining(name)])
  })

  it('is told together with all others, so that one start shows everything', () => {
    const oneOfEach = BAD_VALUES.filter(([name]) => !name.endsWith('_FILE')).toReversed()
    const bad = Object.fromEntries(oneOfEach.map(([name, value]) => [name, value]))
    const named = problemsOf(bad).map((problem) => problem.split(' ', 1)[0])
    expect(named.toSorted()).toEqual(Object.keys(bad).toSorted())
  })

  it('never appears in what is shown, whatever it is and whatever it is for', () => {
    const names = [...new Set(BAD_VALUES.map(([name]) => name))]
    const environments = fc.dictionary(
      fc.constantFrom(...names),
      fc.string({ maxLength: 40 }).map((text) => `CANARY${text}`),
    )
    fc.assert(
      fc.property(environments, (environment) => {
        expect(refusalText(environment)).not.toContain('CANARY')
      }),
    )
    expect(refusalText(Object.fromEntries(names.map((name) => [name, 'CANARY'])))).not.toBe('')
  })

  it('is answered with a range that holds what is allowed and nothing else', () => {
    expect(problemsOf({ ANSWER_WITHIN: '5s' })).toEqual([expect.not.stringMatching(/to 5s/)])
  })
})

it('a time of more digits than any time has is refused by name, like every other bad one', () => {
  expect(problemsOf({ HANDLER_TIMEOUT: `${'1'.repeat(120)}s` })).toEqual([
    expect.stringContaining('HANDLER_TIMEOUT must be a time'),
  ])
})

describe('a secret in a file', () => {
  it.each([
    ['is empty', ''],
    ['holds only line ends', '\n\r\n\n'],
    ['holds a short one', 'CANARY-short\n'],
    ['holds a short one after a good one', `${GOOD_SECRET}\nCANARY-short\n`],
  ])('is refused when the file %s, without a word of it', (_case, content) => {
    const file = join(tempDir(), 'secret')
    writeFileSync(file, content)
    const environment = { CALLCOV_WEBHOOK_SECRET_FILE: file }
    expect(problemsOf(environment)).toEqual([expect.stringMatching(/^CALLCOV_WEBHOOK_SECRET_FILE /)])
    expect(refusalText(environment)).not.toContain('CANARY')
  })
})

describe('a setting and its file', () => {
  it.each([
    ['CALLCOV_WEBHOOK_SECRET', GOOD_SECRET],
    ['HAMSA_WEBHOOK_TOKEN', GOOD_SECRET],
    ['REDIS_URL', 'redis://redis.example'],
  ])('%s is refused when both are given', (name, value) => {
    const file = join(tempDir(), 'value')
    writeFileSync(file, value)
    const problems = problemsOf({ [name]: value, [`${name}_FILE`]: file })
    expect(problems).toEqual([expect.stringContaining(`${name} and ${name}_FILE are both set`)])
  })

  it('do not clash when REDIS_URL is left empty, which counts as not given', () => {
    const file = join(tempDir(), 'redis-url')
    writeFileSync(file, 'redis://redis.example')
    expect(problemsOf({ REDIS_URL: '', REDIS_URL_FILE: file })).toEqual([])
  })
})

describe('a name that is no setting', () => {
  it.each([
    'CALLCOV_WEBHOOK_SECRETS',
    'CALLCOV_SECRET',
    'CALLCOV_WEBHOOK_SECRET_FIEL',
    'HAMSA_TOKEN',
    'HAMSA_WEBHOOK_SECRET',
    'HANDLER_TIMEOUTS',
    'HANDLERS_DIRECTORY',
    'DEDUPE_TLL',
    'ANSWER_WITHN',
    'KEEP_COMPLETE',
    'ADMIN_PROT',
    'SHUTDOWN_GRACE_PERIOD',
  ])('%s is reported as a probable typing error, without its value', (name) => {
    expect(problemsOf({ [name]: 'CANARY' })).toEqual([expect.stringMatching(`^${name} .*typing error`)])
    expect(refusalText({ [name]: 'CANARY' })).not.toContain('CANARY')
  })

  it.each([
    ['CALLCOV_API_KEY', 'sk_live_1'],
    ['HAMSA_API_KEY', 'key'],
    ['HAMSA_STUB_SERVICE_HOST', '10.0.0.1'],
    ['CALLCOV_WEBHOOK_RECEIVER_SERVICE_HOST', '10.0.0.1'],
    ['CALLCOV_WEBHOOK_RECEIVER_SERVICE_PORT', '8080'],
    ['CALLCOV_WEBHOOK_RECEIVER_SERVICE_PORT_HTTP', '8080'],
    ['CALLCOV_WEBHOOK_RECEIVER_PORT', 'tcp://10.0.0.1:8080'],
    ['CALLCOV_WEBHOOK_RECEIVER_PORT_8080_TCP', 'tcp://10.0.0.1:8080'],
    ['CALLCOV_WEBHOOK_RECEIVER_PORT_8080_TCP_PROTO', 'tcp'],
    ['CALLCOV_WEBHOOK_RECEIVER_PORT_8080_TCP_PORT', '8080'],
    ['CALLCOV_WEBHOOK_RECEIVER_PORT_8080_TCP_ADDR', '10.0.0.1'],
    ['PATH', '/bin'],
    ['npm_config_cache', '/tmp'],
  ])('%s, which the provider or Kubernetes or the system sets, is left alone', (name, value) => {
    expect(problemsOf({ ...PRODUCTION, [name]: value })).toEqual([])
  })
})
