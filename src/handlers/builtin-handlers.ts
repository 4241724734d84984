import type { Config } from '../config.ts'
import { ensureDevelopmentForwardSecret } from '../development-secrets.ts'
import type { Logger } from '../log.ts'
import type { SecretSetting } from '../secrets.ts'
import { watchSecrets } from '../watch-secrets.ts'
import type { Handler } from './define-handler.ts'

export type BuiltinOptions = Pick<Config, 'builtin' | 'adminUrl' | 'dedupeTtlMs' | 'dataDir'>

/**
 * The handlers that come with the service and whose settings are there. Each is loaded only then: what one is built
 * on costs those nothing who do not use it. Secrets follow their files.
 */
export async function createBuiltinHandlers(
  { builtin, adminUrl, dedupeTtlMs, dataDir }: BuiltinOptions,
  logger: Logger,
): Promise<Handler[]> {
  const follow = (name: string, setting: SecretSetting) => {
    const secrets = watchSecrets(name, setting, logger)
    return () => secrets.current
  }
  const followOne = (name: string, setting: SecretSetting) => {
    const current = follow(name, setting)
    return () => current()[0] ?? ''
  }
  const { log, postgres, forward, notify, archive } = builtin
  const handlers: Handler[] = []
  if (log) handlers.push((await import('./builtin/log.ts')).log)
  if (postgres !== undefined) {
    const { createPostgresHandler } = await import('./builtin/postgres/index.ts')
    handlers.push(createPostgresHandler({ databaseUrl: followOne('DATABASE_URL', postgres.databaseUrl) }))
  }
  if (forward !== undefined) {
    const { createForwardHandlers } = await import('./builtin/forward/index.ts')
    const made = () => ({ kind: 'file', path: ensureDevelopmentForwardSecret(dataDir) }) as const
    const secrets = follow('FORWARD_SECRET', forward.secrets ?? made())
    const { targets, timeoutMs, allowPrivate } = forward
    handlers.push(...createForwardHandlers({ targets, secrets, timeoutMs, allowPrivate }))
  }
  if (notify !== undefined) {
    const { createNotifyHandler } = await import('./builtin/notify/index.ts')
    const { slackUrl, url, flagPaths, eventTypes } = notify
    handlers.push(
      createNotifyHandler({
        slackUrl: slackUrl && followOne('SLACK_WEBHOOK_URL', slackUrl),
        url: url && followOne('NOTIFY_URL', url),
        flagPaths,
        eventTypes,
        adminUrl,
      }),
    )
  }
  if (archive !== undefined) {
    const { createArchiveHandler } = await import('./builtin/archive/index.ts')
    handlers.push(createArchiveHandler({ ...archive, dedupeTtlMs }))
  }
  return handlers
}
