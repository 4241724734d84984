import type { Config } from './config.ts'
import type { RunningService } from './service.ts'

/** What a person at a terminal can do next. It tells where secrets are kept, never what they are. */
export function describeStart(config: Config, service: RunningService): string {
  const rows: [string, string][] = []
  if (service.url !== undefined) {
    rows.push(['webhook URL', `${config.publicUrl ?? service.url}/webhooks/callcov`])
    const port = new URL(service.url).port
    rows.push([
      'try it',
      port === '8080' ? 'npm run send' : `npm run send -- --url ${service.url}/webhooks/callcov`,
    ])
  }
  if (service.developmentSecretFile !== undefined)
    rows.push(['secret', `made for development, in ${service.developmentSecretFile}`])
  rows.push([
    'data',
    config.redisUrl === undefined ? `${config.dataDir} (private redis-server)` : 'in the Redis of REDIS_URL',
  ])
  if (config.role !== 'receiver')
    rows.push(['handlers', `${service.handlers.join(', ')} (yours: ${config.handlersDir})`])
  rows.push(['stop', 'Ctrl-C'])
  const width = Math.max(...rows.map(([label]) => label.length))
  const lines = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)
  return `\ncallcov-webhook-receiver is ready\n\n${lines.join('\n')}\n\n`
}
