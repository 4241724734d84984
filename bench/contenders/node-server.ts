import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/drill/free-port.ts'
import { SECRET } from '../load/signed-requests.ts'
import { BenchProcess, type Site } from '../processes/bench-process.ts'
import type { BenchRedis } from '../processes/bench-redis.ts'
import type { RunningContender } from './contender.ts'

/** Starts one of the small servers beside this file. */
export async function startNodeServer(
  file: string,
  site: Site,
  redis: BenchRedis | undefined,
): Promise<RunningContender> {
  const port = await freePort()
  const server = await BenchProcess.start(site, {
    name: 'server',
    command: process.execPath,
    args: [fileURLToPath(new URL(file, import.meta.url))],
    settings: {
      NODE_ENV: 'production',
      PORT: String(port),
      CALLCOV_WEBHOOK_SECRET: SECRET,
      REDIS_URL: redis?.url,
    },
  })
  return {
    port,
    parts: [{ name: 'server', group: server.pid, which: 'all' }],
    expectAlive: () => server.expectAlive(),
    stop: () => server.kill(),
  }
}
