import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/drill/free-port.ts'
import { SECRET } from '../load/signed-requests.ts'
import { BenchProcess } from '../processes/bench-process.ts'
import type { Contender } from './contender.ts'

/** Another Python, first on the path, would not have Debian's packages. */
const PYTHON = '/usr/bin/python3'
const APP_FOLDER = fileURLToPath(new URL('./flask', import.meta.url))
/** Celery's list in Redis. */
const TASKS = 'celery'

export const flaskCelery: Contender = {
  id: 'flask',
  title: 'Flask, gunicorn, Celery',
  guarantees: {
    signature: true,
    durable: true,
    deduplicated: true,
    rawBytes: false,
    note: 'a crash between its two steps loses the webhook for good, one of the worker the tasks it had taken',
  },
  usesRedis: true,
  needs: {
    packages: ['python3-flask', 'gunicorn', 'python3-celery', 'python3-redis'],
    isInstalled: () =>
      spawnSync(PYTHON, ['-c', 'import flask, gunicorn, celery, redis'], { stdio: 'ignore' }).status === 0,
  },
  async start(site, redis) {
    const port = await freePort()
    const settings = {
      CALLCOV_WEBHOOK_SECRET: SECRET,
      REDIS_URL: redis?.url,
      PYTHONDONTWRITEBYTECODE: '1',
      // Celery makes a fuss of being started by root.
      PYTHONWARNINGS: 'ignore',
    }
    const python = (name: string, args: readonly string[]) =>
      BenchProcess.start(site, {
        name,
        command: PYTHON,
        args: ['-m', ...args],
        workingFolder: APP_FOLDER,
        settings,
      })
    const bind = ['--bind', `127.0.0.1:${port}`]
    const server = await python('gunicorn', [
      'gunicorn',
      ...bind,
      '--workers',
      '2',
      '--threads',
      '8',
      'receiver:app',
    ])
    const worker = await python('celery', [
      'celery',
      '--app',
      'receiver.celery',
      'worker',
      '--loglevel',
      'info',
    ])
    return {
      port,
      parts: [
        { name: 'server', group: server.pid, which: 'all' },
        { name: 'worker', group: worker.pid, which: 'all' },
      ],
      countBacklog: async () => (await redis?.client.llen(TASKS)) ?? 0,
      expectAlive() {
        server.expectAlive()
        worker.expectAlive()
      },
      async stop() {
        await Promise.all([server.kill(), worker.kill()])
      },
    }
  },
}
