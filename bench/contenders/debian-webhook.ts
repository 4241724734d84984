import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../src/drill/free-port.ts'
import { SECRET } from '../load/signed-requests.ts'
import { BenchProcess } from '../processes/bench-process.ts'
import type { Contender } from './contender.ts'

export const debianWebhook: Contender = {
  id: 'webhook',
  title: 'webhook (Go, Debian)',
  guarantees: {
    signature: true,
    durable: false,
    deduplicated: false,
    rawBytes: false,
    note: 'runs a command for each webhook, here one that does nothing, and stores nothing',
  },
  usesRedis: false,
  needs: {
    packages: ['webhook'],
    isInstalled: () => spawnSync('webhook', ['-version'], { stdio: 'ignore' }).status === 0,
  },
  async start(site) {
    const port = await freePort()
    const hooks = join(site.folder, 'hooks.json')
    writeFileSync(hooks, JSON.stringify([hook]))
    const server = await BenchProcess.start(site, {
      name: 'webhook',
      command: 'webhook',
      args: ['-hooks', hooks, '-ip', '127.0.0.1', '-port', String(port), '-urlprefix', 'webhooks'],
    })
    return {
      port,
      parts: [{ name: 'server', group: server.pid, which: 'all' }],
      expectAlive: () => server.expectAlive(),
      stop: () => server.kill(),
    }
  },
}

const hook = {
  id: 'callcov',
  'execute-command': '/bin/true',
  // Without it, a wrong signature is answered 200, too.
  'trigger-rule-mismatch-http-response-code': 401,
  'trigger-rule': {
    match: {
      type: 'payload-hmac-sha256',
      secret: SECRET,
      parameter: { source: 'header', name: 'X-CallCov-Signature' },
    },
  },
}
