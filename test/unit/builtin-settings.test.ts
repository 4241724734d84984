import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadBuiltinSettings, loadConfig } from '../../src/config.ts'
import { EVENT_TYPES } from '../../src/sources/sources.ts'
import { tempDir } from '../support/temp-dir.ts'
import { PRODUCTION, problemsOf, refusalText } from './support/settings.ts'

const DAY_MS = 24 * 3_600_000
const SIGNING_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const builtinOf = (environment: NodeJS.ProcessEnv) => loadConfig(environment).builtin
const value = (text: string) => ({ kind: 'values', values: [text] })

describe('the built-in handlers', () => {
  it('are off, save log, unless their settings are there', () => {
    const off = { postgres: undefined, forward: undefined, notify: undefined, archive: undefined }
    expect(builtinOf({})).toEqual({ log: true, ...off })
    const blank = {
      DATABASE_URL: '',
      FORWARD_URLS: ' ',
      SLACK_WEBHOOK_URL: '',
      NOTIFY_URL: '',
      ARCHIVE_DIR: '',
    }
    expect(builtinOf({ ...blank, LOG_EVENTS: 'off' })).toEqual({ log: false, ...off })
  })

  it('are each switched on by one setting', () => {
    const url = 'postgresql://u:a,b@db.example/calls'
    expect(builtinOf({ DATABASE_URL: url }).postgres).toEqual({ databaseUrl: value(url) })
    expect(builtinOf({ FORWARD_URLS: 'https://a.example' }).forward).toMatchObject({
      secrets: undefined,
      timeoutMs: 15_000,
      allowPrivate: [],
    })
    const slack = 'https://hooks.slack.example/services/T0/B0/x'
    expect(builtinOf({ SLACK_WEBHOOK_URL: slack }).notify).toEqual({
      slackUrl: value(slack),
      url: undefined,
      flagPaths: ['compliance'],
      eventTypes: ['analysis.failed'],
    })
    expect(builtinOf({ NOTIFY_URL: 'http://alerts.example' }).notify).toMatchObject({
      slackUrl: undefined,
      url: value('http://alerts.example'),
    })
    expect(builtinOf({ ARCHIVE_DIR: 'archive' }).archive).toEqual({
      dir: resolve('archive'),
      keepMs: undefined,
    })
  })

  it('take their other settings', () => {
    const forward = builtinOf({
      FORWARD_URLS: 'https://a.example',
      FORWARD_SECRET: `${SIGNING_SECRET}, ${SIGNING_SECRET}`,
      FORWARD_TIMEOUT: '3s',
      FORWARD_ALLOW_PRIVATE: '127.0.0.1, 10.0.0.0/8, fd00::/8, CRM.internal, localhost',
    }).forward
    expect(forward).toMatchObject({
      secrets: { kind: 'values', values: [SIGNING_SECRET, SIGNING_SECRET] },
      timeoutMs: 3000,
      allowPrivate: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8', 'crm.internal', 'localhost'],
    })
    const notify = { NOTIFY_URL: 'http://a.example', NOTIFY_FLAGS: 'compliance.alerts, quality' }
    expect(builtinOf(notify).notify?.flagPaths).toEqual(['compliance.alerts', 'quality'])
    const told = { NOTIFY_URL: 'http://a.example', NOTIFY_EVENTS: 'analysis.failed, call.ended' }
    expect(builtinOf(told).notify?.eventTypes).toEqual(['analysis.failed', 'call.ended'])
    expect(builtinOf({ ARCHIVE_DIR: '/a', ARCHIVE_KEEP: '90d' }).archive?.keepMs).toBe(90 * DAY_MS)
    expect(loadConfig({ ADMIN_URL: 'https://admin.example/' }).adminUrl).toBe('https://admin.example')
  })

  it('take addresses and secrets from files too', () => {
    const dir = tempDir()
    const file = (name: string, content: string) => {
      writeFileSync(join(dir, name), content)
      return join(dir, name)
    }
    const builtin = builtinOf({
      DATABASE_URL_FILE: file('db', 'postgres://u:p@db.example/calls\n'),
      FORWARD_URLS: 'https://a.example',
      FORWARD_SECRET_FILE: file('secret', `${SIGNING_SECRET}\n${SIGNING_SECRET}\n`),
      NOTIFY_URL_FILE: file('notify', 'https://alerts.example/x\n'),
    })
    expect(builtin.postgres).toEqual({ databaseUrl: { kind: 'file', path: join(dir, 'db') } })
    expect(builtin.forward?.secrets).toEqual({ kind: 'file', path: join(dir, 'secret') })
    expect(builtin.notify?.url).toEqual({ kind: 'file', path: join(dir, 'notify') })
  })

  it('can be read alone, by a tool that nothing else is to keep from its work', () => {
    const environment = {
      DATABASE_URL: 'postgres://db.example/x',
      PORT: 'none',
      CALLCOV_WEBHOOK_SECRET: 'short',
    }
    expect(loadBuiltinSettings(environment).builtin.postgres).toBeDefined()
  })
})

describe('a setting of a built-in handler that cannot work', () => {
  it.each([
    ['LOG_EVENTS', 'CANARY'],
    ['DATABASE_URL', 'mysql://u:CANARY@db.example/x'],
    ['DATABASE_URL', 'postgres://u:CANARY@db example/x'],
    ['DATABASE_URL_FILE', '/CANARY/nowhere'],
    ['FORWARD_SECRET', 'CANARY'],
    ['FORWARD_SECRET', 'whsec_Q0FOQVJZ'],
    ['FORWARD_SECRET', `${SIGNING_SECRET},CANARY`],
    ['FORWARD_SECRET', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['FORWARD_TIMEOUT', 'CANARY'],
    ['FORWARD_ALLOW_PRIVATE', '10.0.0.0/33'],
    ['FORWARD_ALLOW_PRIVATE', '127.0.0.1,,CANARY'],
    ['FORWARD_ALLOW_PRIVATE', 'http://CANARY'],
    ['FORWARD_ALLOW_PRIVATE', '10.0.0'],
    ['SLACK_WEBHOOK_URL', 'CANARY'],
    ['NOTIFY_URL', 'ftp://CANARY.example'],
    ['NOTIFY_URL', 'https://user:CANARY@alerts.example'],
    ['NOTIFY_URL', 'https://alerts.example:25/CANARY'],
    ['NOTIFY_FLAGS', 'compliance..CANARY'],
    ['NOTIFY_EVENTS', 'analysis.failed, call.CANARY'],
    ['NOTIFY_EVENTS', 'call.ended,,CANARY'],
    ['ADMIN_URL', 'CANARY'],
    ['ARCHIVE_KEEP', '23h'],
    ['ARCHIVE_KEEP', 'CANARY'],
  ])('%s=%s is refused by name alone', (name, text) => {
    expect(problemsOf({ [name]: text })).toEqual([expect.stringMatching(`^${name} `)])
    expect(refusalText({ [name]: text })).not.toContain('CANARY')
  })

  it('is also an event type that no provider sends; those that are sent are named', () => {
    expect(problemsOf({ NOTIFY_EVENTS: 'call.finished' })).toEqual([
      `NOTIFY_EVENTS must be a list of event types, of ${EVENT_TYPES.join(', ')}`,
    ])
  })

  it('is also one of two where only one can be', () => {
    const both = { SLACK_WEBHOOK_URL: 'https://a.example', NOTIFY_URL: 'https://b.example' }
    expect(problemsOf(both)).toEqual([expect.stringContaining('keep one')])
    const twice = { DATABASE_URL: 'postgres://a.example/x', DATABASE_URL_FILE: '/nowhere' }
    expect(problemsOf(twice)).toEqual([expect.stringContaining('both set')])
  })

  it('is FORWARD_URLS without a secret in production, where somebody runs handlers', () => {
    const forward = { ...PRODUCTION, FORWARD_URLS: 'https://a.example' }
    expect(problemsOf(forward)).toEqual([expect.stringMatching(/^FORWARD_SECRET is required/)])
    expect(problemsOf({ ...forward, FORWARD_SECRET: SIGNING_SECRET })).toEqual([])
    expect(problemsOf({ ...forward, ROLE: 'receiver' })).toEqual([])
  })
})

describe('names near those of the built-in handlers', () => {
  it.each([
    'FORWARD_URL',
    'FORWARD_SECRETS',
    'NOTIFY_FLAG',
    'NOTIFY_EVENT',
    'ARCHIVE_DIRECTORY',
    'LOG_EVENT',
    'SLACK_WEBHOOK_URL_FIEL',
    'DATABASE_URL_FIEL',
  ])('%s is reported as a probable typing error', (name) => {
    expect(problemsOf({ [name]: 'CANARY' })).toEqual([expect.stringMatching(`^${name} .*typing error`)])
  })

  it.each([
    'DATABASE_POOL',
    'DATABASE_HOST',
    'SLACK_TOKEN',
    'SLACK_BOT_TOKEN',
    'NOTIFY_SOCKET',
    'FORWARDED_ALLOW_IPS',
  ])('%s, which others use, is left alone', (name) => {
    expect(problemsOf({ [name]: 'x' })).toEqual([])
  })
})
