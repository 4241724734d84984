import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { tempDir } from '../support/temp-dir.ts'
import { GOOD_SECRET, PRODUCTION, problemsOf } from './support/settings.ts'

const SECOND_MS = 1000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

describe('settings that are not given', () => {
  it('have the defaults of the documentation', () => {
    expect(loadConfig({})).toMatchObject({
      production: false,
      role: 'all',
      host: '0.0.0.0',
      port: 8080,
      adminHost: '127.0.0.1',
      adminPort: 8081,
      publicUrl: undefined,
      trustProxy: undefined,
      webhookSecrets: new Map(),
      redisUrl: undefined,
      redisPrefix: 'callcov',
      dataDir: resolve('data'),
      handlersDir: resolve('handlers'),
      dedupeTtlMs: 30 * DAY_MS,
      bodyLimitBytes: 10_485_760,
      answerWithinMs: 4 * SECOND_MS,
      handlerDefaults: {
        concurrency: 20,
        timeoutMs: 60 * SECOND_MS,
        attempts: 40,
        backoffMs: 5 * SECOND_MS,
        backoffMaxMs: HOUR_MS,
      },
      keepCompletedMs: DAY_MS,
      keepDeadMs: 30 * DAY_MS,
      shutdownGraceMs: 25 * SECOND_MS,
      logLevel: 'info',
    })
  })

  it.each(['ROLE', 'PORT', 'REDIS_URL', 'DEDUPE_TTL', 'HANDLER_ATTEMPTS', 'LOG_LEVEL', 'PUBLIC_URL'])(
    'are the same as %s left empty or blank, as `X=` in a .env file does',
    (name) => {
      expect(loadConfig({ [name]: '' })).toEqual(loadConfig({}))
      expect(loadConfig({ [name]: '  ' })).toEqual(loadConfig({}))
    },
  )
})

describe('settings that are given', () => {
  it.each([
    ['ROLE', 'receiver', { role: 'receiver' }],
    ['HOST', '::1', { host: '::1' }],
    ['PORT', '0', { port: 0 }],
    ['PORT', '65535', { port: 65_535 }],
    ['ADMIN_HOST', '0.0.0.0', { adminHost: '0.0.0.0' }],
    ['ADMIN_PORT', '9000', { adminPort: 9000 }],
    ['PUBLIC_URL', 'https://hooks.example/in/', { publicUrl: 'https://hooks.example/in' }],
    ['TRUST_PROXY', '2', { trustProxy: 2 }],
    ['TRUST_PROXY', '10.0.0.0/8, fd00::/8', { trustProxy: ['10.0.0.0/8', 'fd00::/8'] }],
    ['REDIS_URL', 'rediss://u:p@r.example:6380/1', { redisUrl: 'rediss://u:p@r.example:6380/1' }],
    ['REDIS_URL', 'unix:///run/redis.sock', { redisUrl: 'unix:///run/redis.sock' }],
    ['REDIS_PREFIX', '{team-1}', { redisPrefix: '{team-1}' }],
    ['DATA_DIR', '/var/lib/callcov', { dataDir: '/var/lib/callcov' }],
    ['HANDLERS_DIR', '../crm', { handlersDir: resolve('../crm') }],
    ['DEDUPE_TTL', '8h', { dedupeTtlMs: 8 * HOUR_MS }],
    ['BODY_LIMIT', '1mb', { bodyLimitBytes: 1_048_576 }],
    ['ANSWER_WITHIN', '1500ms', { answerWithinMs: 1500 }],
    ['KEEP_COMPLETED', '1h', { keepCompletedMs: HOUR_MS }],
    ['KEEP_DEAD', '90d', { keepDeadMs: 90 * DAY_MS }],
    ['SHUTDOWN_GRACE', '1m', { shutdownGraceMs: 60_000 }],
    ['LOG_LEVEL', 'silent', { logLevel: 'silent' }],
  ])('%s=%s is taken', (name, value, expected) => {
    const redis = { REDIS_URL: 'redis://redis.example' }
    expect(loadConfig({ ...redis, [name]: value })).toMatchObject(expected)
  })

  it('set the defaults of all handlers', () => {
    const { handlerDefaults } = loadConfig({
      HANDLER_CONCURRENCY: '3',
      HANDLER_TIMEOUT: '1.5s',
      HANDLER_ATTEMPTS: '7',
      HANDLER_BACKOFF: '250ms',
      HANDLER_BACKOFF_MAX: '2h',
    })
    expect(handlerDefaults).toEqual({
      concurrency: 3,
      timeoutMs: 1500,
      attempts: 7,
      backoffMs: 250,
      backoffMaxMs: 2 * HOUR_MS,
    })
  })

  it('give the secrets newest first', () => {
    const { webhookSecrets } = loadConfig({
      CALLCOV_WEBHOOK_SECRET: `${GOOD_SECRET}-new, ${GOOD_SECRET}-old`,
    })
    expect(webhookSecrets.get('callcov')).toEqual({
      kind: 'values',
      values: [`${GOOD_SECRET}-new`, `${GOOD_SECRET}-old`],
    })
  })
})

describe('the secrets of sources', () => {
  it('stand side by side, and each source that has none is left out', () => {
    const token = { kind: 'values', values: [`Bearer ${GOOD_SECRET}`, `${GOOD_SECRET}-old`] }
    const HAMSA_WEBHOOK_TOKEN = `Bearer ${GOOD_SECRET}, ${GOOD_SECRET}-old`
    expect(loadConfig({ HAMSA_WEBHOOK_TOKEN }).webhookSecrets).toEqual(new Map([['hamsa', token]]))
    const both = loadConfig({ HAMSA_WEBHOOK_TOKEN, CALLCOV_WEBHOOK_SECRET: GOOD_SECRET })
    expect([...both.webhookSecrets.keys()]).toEqual(['callcov', 'hamsa'])
  })
})

describe('settings kept in files', () => {
  it('let the secret file be followed by its whole path', () => {
    const file = join(tempDir(), 'secret')
    writeFileSync(file, `${GOOD_SECRET}\n`)
    expect(loadConfig({ CALLCOV_WEBHOOK_SECRET_FILE: file }).webhookSecrets.get('callcov')).toEqual({
      kind: 'file',
      path: file,
    })
  })

  it('take the address of Redis without the line end of its file', () => {
    const file = join(tempDir(), 'redis-url')
    writeFileSync(file, 'redis://:password@redis.example\n')
    expect(loadConfig({ REDIS_URL_FILE: file }).redisUrl).toBe('redis://:password@redis.example')
  })
})

describe('production', () => {
  it('is on only when NODE_ENV says so', () => {
    expect(loadConfig(PRODUCTION).production).toBe(true)
    expect(loadConfig({ NODE_ENV: 'staging' }).production).toBe(false)
  })

  it('needs the secret of a source and a Redis, and says both at once', () => {
    const problems = problemsOf({ NODE_ENV: 'production' })
    expect(problems).toHaveLength(2)
    expect(problems[0]).toMatch(/^CALLCOV_WEBHOOK_SECRET .* or HAMSA_WEBHOOK_TOKEN .* is required/)
    expect(problems[1]).toMatch(/^REDIS_URL is required/)
  })

  it.each(['CALLCOV_WEBHOOK_SECRET', 'HAMSA_WEBHOOK_TOKEN'])('is content with %s alone', (name) => {
    expect(problemsOf({ ...PRODUCTION, CALLCOV_WEBHOOK_SECRET: undefined, [name]: GOOD_SECRET })).toEqual([])
  })

  it('takes the embedded Redis when it is asked for by name', () => {
    expect(loadConfig({ ...PRODUCTION, REDIS_URL: 'embedded' })).toMatchObject({ redisUrl: undefined })
  })

  it('asks no secret of a worker, which receives nothing', () => {
    expect(
      problemsOf({ NODE_ENV: 'production', ROLE: 'worker', REDIS_URL: 'redis://redis.example' }),
    ).toEqual([])
  })
})

describe('the embedded Redis', () => {
  it.each(['receiver', 'worker'])('is refused for ROLE=%s, whose other half could not reach it', (ROLE) => {
    const refusal = expect.stringMatching(/^REDIS_URL is required with ROLE=/)
    expect(problemsOf({ ROLE })).toEqual([refusal])
    expect(problemsOf({ ROLE, REDIS_URL: 'embedded' })).toEqual([refusal])
    expect(problemsOf({ ROLE, REDIS_URL: 'redis://redis.example' })).toEqual([])
  })
})
