import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/drill/free-port.ts'
import { SECRET } from '../load/signed-requests.ts'
import { BenchProcess, type Site } from '../processes/bench-process.ts'
import type { BenchRedis } from '../processes/bench-redis.ts'
import { waitFor } from '../wait-for.ts'

const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
/** Both as `npm start` has them. */
const NODE_OPTIONS = ['--max-semi-space-size=16']
const NODE_COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/node', import.meta.url))
const READY_WITHIN_MS = 30_000
const PROFILE_WRITTEN_WITHIN_MS = 60_000

export interface ServiceSetup {
  readonly role: 'all' | 'receiver' | 'worker'
  readonly redis: BenchRedis
  /** Handler files by name, besides the built-in `log`. */
  readonly handlers?: Readonly<Record<string, string>>
  /** Of one of several on one Redis. */
  readonly name?: string
}

/** Our service with the settings of production, and its log in a file. */
export class BenchService {
  readonly process: BenchProcess
  readonly port: number
  readonly #site: Site

  static async start(
    site: Site,
    { role, redis, handlers = {}, name = role }: ServiceSetup,
  ): Promise<BenchService> {
    const handlersDir = join(site.folder, `handlers-${name}`)
    mkdirSync(handlersDir, { recursive: true })
    for (const [file, text] of Object.entries(handlers)) writeFileSync(join(handlersDir, file), text)
    const port = await freePort()
    const main = await BenchProcess.start(site, {
      name,
      command: process.execPath,
      args: [...NODE_OPTIONS, ENTRY],
      settings: {
        NODE_ENV: 'production',
        NODE_COMPILE_CACHE,
        ROLE: role,
        HOST: '127.0.0.1',
        PORT: String(port),
        ADMIN_PORT: '0',
        CALLCOV_WEBHOOK_SECRET: SECRET,
        REDIS_URL: redis.url,
        DATA_DIR: join(site.folder, 'data'),
        HANDLERS_DIR: handlersDir,
      },
    })
    return new BenchService(main, port, site)
  }

  private constructor(main: BenchProcess, port: number, site: Site) {
    this.process = main
    this.port = port
    this.#site = site
  }

  /** Ends it, at once unless it has a profile to write. */
  async stop(): Promise<void> {
    if (this.#site.environment.NODE_OPTIONS === undefined) await this.process.kill()
    else await this.process.end(PROFILE_WRITTEN_WITHIN_MS)
  }

  /** Resolves when it would store a webhook. */
  async ready(everyMs = 10): Promise<void> {
    const isReady = async () => {
      this.process.expectAlive()
      return await fetch(`http://127.0.0.1:${this.port}/health/ready`).then(
        async (answer) => {
          await answer.arrayBuffer()
          return answer.ok
        },
        () => false,
      )
    }
    const { signal } = this.#site
    await waitFor('the service to be ready', isReady, { withinMs: READY_WITHIN_MS, signal, everyMs })
  }
}
