import { resolve } from 'node:path'
import { z } from 'zod'
import { forwardUrls } from './forward-urls.ts'
import type { Secrets } from './secret-settings.ts'
import { duration, eventType, list, privateHost, resultPath, time } from './setting-types.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MAX_KEPT_MS = 3650 * DAY_MS

/** The settings of the built-in handlers, besides those that hold a secret. */
export const builtinSettings = {
  LOG_EVENTS: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  FORWARD_URLS: forwardUrls.optional(),
  FORWARD_TIMEOUT: duration('15s', { minMs: 100, maxMs: HOUR_MS }),
  FORWARD_ALLOW_PRIVATE: list(privateHost).prefault(''),
  NOTIFY_FLAGS: list(resultPath).prefault('compliance'),
  NOTIFY_EVENTS: list(eventType).prefault('analysis.failed'),
  ARCHIVE_DIR: z.string().optional(),
  ARCHIVE_KEEP: time({ minMs: DAY_MS, maxMs: MAX_KEPT_MS }, '90d').optional(),
}

/** Those that do. */
export const BUILTIN_SECRETS = ['DATABASE_URL', 'FORWARD_SECRET', 'SLACK_WEBHOOK_URL', 'NOTIFY_URL'] as const

const schema = z.object(builtinSettings)

/** The built-in handlers that are on; each has what it needs, and nothing of the others. */
export function toBuiltin(
  env: z.output<typeof schema>,
  secrets: Pick<Secrets, (typeof BUILTIN_SECRETS)[number]>,
) {
  const { DATABASE_URL: databaseUrl, SLACK_WEBHOOK_URL: slackUrl, NOTIFY_URL: url } = secrets
  const isNotifying = slackUrl !== undefined || url !== undefined
  return {
    log: env.LOG_EVENTS === 'on',
    postgres: databaseUrl === undefined ? undefined : { databaseUrl },
    forward:
      env.FORWARD_URLS === undefined
        ? undefined
        : {
            targets: env.FORWARD_URLS,
            /** `undefined`: one is made for development. */
            secrets: secrets.FORWARD_SECRET,
            timeoutMs: env.FORWARD_TIMEOUT,
            allowPrivate: env.FORWARD_ALLOW_PRIVATE,
          },
    notify: isNotifying
      ? { slackUrl, url, flagPaths: env.NOTIFY_FLAGS, eventTypes: env.NOTIFY_EVENTS }
      : undefined,
    archive:
      env.ARCHIVE_DIR === undefined
        ? undefined
        : {
            dir: resolve(env.ARCHIVE_DIR),
            /** `undefined`: for ever. */
            keepMs: env.ARCHIVE_KEEP,
          },
  }
}
