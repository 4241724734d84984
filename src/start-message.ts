import { resolve } from 'node:path'
import type { Config } from './config.ts'
import { developmentForwardSecretPath } from './development-secrets.ts'
import type { ServiceFacts } from './service.ts'

/** What a person at a terminal can do next. It tells where secrets are kept, never what they are. */
export function describeStart(config: Config, service: ServiceFacts): string {
  const rows: [string, string][] = []
  if (service.url !== undefined) {
    for (const [index, path] of service.webhookPaths.entries()) {
      rows.push([index === 0 ? 'webhook URL' : '', `${config.publicUrl ?? service.url}${path}`])
    }
    rows.push(['try it', tryCommand(config, service.url)])
  }
  for (const file of service.developmentSecretFiles) {
    rows.push(['secret', `made for development, in ${file}`])
  }
  rows.push([
    'data',
    config.redisUrl === undefined ? `${config.dataDir} (private redis-server)` : 'in the Redis of REDIS_URL',
  ])
  if (config.role !== 'receiver') {
    rows.push(['handlers', `${service.handlers.join(', ') || 'none'} (yours: ${config.handlersDir})`])
    if (config.builtin.forward !== undefined && config.builtin.forward.secrets === undefined) {
      const path = developmentForwardSecretPath(config.dataDir)
      rows.push(['forward secret', `made for development, in ${path}`])
    }
  }
  if (service.adminUrl !== undefined) rows.push(['private', `${service.adminUrl}/metrics`])
  rows.push(['stop', 'Ctrl-C'])
  const width = Math.max(...rows.map(([label]) => label.length))
  const lines = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)
  return `\ncallcov-webhook-receiver is ready\n\n${lines.join('\n')}\n\n`
}

/** `send` finds port and secret by itself where they are as it expects them. */
function tryCommand(config: Config, url: string): string {
  const place = config.dataDir === resolve('./data') ? '' : `DATA_DIR='${config.dataDir}' `
  const target = new URL(url).port === '8080' ? '' : ` -- --url ${url}/webhooks/callcov`
  return `${place}npm run send${target}`
}
