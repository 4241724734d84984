import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { waitFor } from '../support/wait.ts'
import { buildImage, docker, needsDocker, ROOT } from './docker.ts'

const REDIS_PASSWORD = randomBytes(16).toString('hex')
const SECRETS = { CALLCOV_WEBHOOK_SECRET: SECRET, REDIS_PASSWORD }

interface ComposeService {
  readonly read_only: boolean
  readonly cap_drop: readonly string[]
  readonly security_opt: readonly string[]
  readonly mem_limit: string
  readonly restart: string
  readonly stop_grace_period: string
  readonly depends_on?: Record<string, { condition: string }>
  readonly environment: Record<string, string | null>
  readonly ports?: readonly { host_ip?: string; published: string; target: number }[]
  readonly volumes?: readonly { target: string; read_only?: boolean }[]
}

describe('docker-compose.yml', await needsDocker({ compose: true }), () => {
  it.each(['CALLCOV_WEBHOOK_SECRET', 'REDIS_PASSWORD'])('does not start without %s', async (name) => {
    const refused = compose(['config'], { ...SECRETS, [name]: '' })
    await expect(refused).rejects.toThrow(`required variable ${name} is missing`)
  })

  it('lets no container do more than it needs', async () => {
    const services = await readServices()
    expect(Object.keys(services)).toEqual(['receiver', 'redis', 'worker'])
    for (const service of Object.values(services)) {
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        restart: 'unless-stopped',
        stop_grace_period: '30s',
      })
      expect(Number(service.mem_limit)).toBeGreaterThan(0)
    }
    expect(services.worker?.volumes).toMatchObject([{ target: '/app/handlers', read_only: true }])
  })

  it('publishes the public port to everybody, the private ones to the host, and Redis to nobody', async () => {
    const { receiver, worker, redis } = await readServices()
    expect(receiver?.ports).toMatchObject([
      { published: '8080', target: 8080 },
      { host_ip: '127.0.0.1', published: '8081', target: 8081 },
    ])
    expect(receiver?.ports?.[0]).not.toHaveProperty('host_ip')
    expect(worker?.ports).toMatchObject([{ host_ip: '127.0.0.1', published: '8082', target: 8081 }])
    expect(redis).not.toHaveProperty('ports')
  })

  it('gives the secret to the receiver only, and starts both after Redis is healthy', async () => {
    const { receiver, worker } = await readServices()
    expect(receiver?.environment).toMatchObject({ ROLE: 'receiver', CALLCOV_WEBHOOK_SECRET: SECRET })
    expect(worker?.environment).toMatchObject({ ROLE: 'worker' })
    expect(worker?.environment).not.toHaveProperty('CALLCOV_WEBHOOK_SECRET')
    expect(worker?.environment).not.toHaveProperty('HAMSA_WEBHOOK_TOKEN')
    for (const service of [receiver, worker]) {
      expect(service?.depends_on).toMatchObject({ redis: { condition: 'service_healthy' } })
    }
  })

  it('passes settings on that are given', async () => {
    const { receiver, worker } = await readServices({
      DEDUPE_TTL: '60d',
      HANDLER_TIMEOUT: '5m',
      HAMSA_WEBHOOK_TOKEN: SECRET,
    })
    expect(receiver?.environment).toMatchObject({ DEDUPE_TTL: '60d', HAMSA_WEBHOOK_TOKEN: SECRET })
    expect(worker?.environment).toMatchObject({ DEDUPE_TTL: '60d', HANDLER_TIMEOUT: '5m' })
  })
})

describe('docker compose up', await needsDocker({ compose: true }), () => {
  // Port 0: Docker picks free ones.
  const settings = { ...SECRETS, PORT: '0', ADMIN_PORT: '0', WORKER_ADMIN_PORT: '0' }
  const project = `callcov-test-${randomBytes(4).toString('hex')}`
  let dir: string
  let override: string
  let image: string | undefined

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'callcov-compose-'))
    override = join(dir, 'override.json')
    // The example, and not the handlers folder as it is: a developer's own handlers must not see test webhooks.
    const handlers = join(dir, 'handlers')
    mkdirSync(handlers)
    copyFileSync(join(ROOT, 'handlers', 'example.ts'), join(handlers, 'example.ts'))
    chmodSync(dir, 0o755)
    const worker = { volumes: [`${handlers}:/app/handlers:ro`] }
    writeFileSync(override, JSON.stringify({ services: { worker } }))
    image = await buildImage()
    await up('up', '--wait', '--no-build')
  })

  afterAll(async () => {
    await up('down', '--volumes', '--remove-orphans')
    if (image !== undefined) await docker(['image', 'rm', image])
    rmSync(dir, { recursive: true, force: true })
  })

  it('hands a signed webhook from the receiver to the handlers of the worker', async () => {
    const url = await addressOf('receiver', 8080)
    const answer = await post(`${url}/webhooks/callcov`, signedDelivery({ fields: { id: 'call-1' } }))
    expect(answer.status).toBe(200)
    await waitFor('the line of the example', async () =>
      (await logLines('worker')).some((line) => line.includes('hello from handlers/example.ts')),
    )
    expect(await textOf(`${await addressOf('worker', 8081)}/metrics`)).toContain(
      'callcov_receiver_handler_runs_total{handler="example",outcome="done"} 1',
    )
  })

  it('runs on a Redis that loses nothing and asks for its password', async () => {
    expect(await textOf(`${await addressOf('receiver', 8081)}/metrics`)).toContain(
      '\ncallcov_receiver_redis_durable 1\n',
    )
    const redis = async (...command: string[]) => await up('exec', '-T', ...command)
    const memory = await redis('redis', 'redis-cli', 'CONFIG', 'GET', 'maxmemory*')
    expect(memory).toContain('maxmemory\n536870912')
    expect(memory).toContain('maxmemory-policy\nnoeviction')
    expect(await redis('-e', 'REDISCLI_AUTH=', 'redis', 'redis-cli', 'PING')).toContain('NOAUTH')
  })

  it('runs callcov-receiver commands', async () => {
    expect(await up('exec', '-T', 'receiver', 'callcov-receiver', 'send')).toContain('200 {"received":true}')
    expect(await up('exec', '-T', 'worker', 'callcov-receiver', '--help')).toContain(
      'Usage: callcov-receiver',
    )
  })

  // Last, as nothing runs after it.
  it('stops with 0 and has told no secret in any log', async () => {
    await up('stop')
    const states = await up('ps', '--all', '--format', '{{.Service}} {{.ExitCode}}')
    expect(states.split('\n').toSorted()).toEqual(['receiver 0', 'redis 0', 'worker 0'])
    const text = (await logLines()).join('\n')
    expect(text).toContain('"msg":"stopping"')
    expect(text).not.toMatch(new RegExp(`${REDIS_PASSWORD}|${SECRET}`))
  })

  async function up(...args: string[]): Promise<string> {
    const files = ['--file', join(ROOT, 'docker-compose.yml'), '--file', override]
    return await compose(['--project-name', project, ...files, ...args], {
      ...settings,
      ...(image !== undefined && { RECEIVER_IMAGE: image }),
    })
  }

  async function addressOf(service: string, port: number): Promise<string> {
    const published = await up('port', service, String(port))
    return `http://localhost:${published.split(':').at(-1)}`
  }

  async function logLines(...services: string[]): Promise<string[]> {
    return (await up('logs', '--no-color', ...services)).split('\n')
  }
})

async function textOf(url: string): Promise<string> {
  return await (await fetch(url)).text()
}

async function readServices(settings: Record<string, string> = {}): Promise<Record<string, ComposeService>> {
  const text = await compose(['config', '--format', 'json'], { ...SECRETS, ...settings })
  return (JSON.parse(text) as { services: Record<string, ComposeService> }).services
}

/** With these settings only, and not those that the shell or the .env of a developer has. */
async function compose(args: readonly string[], settings: Record<string, string>): Promise<string> {
  const own = Object.entries(process.env).filter(([name]) => /^(PATH|HOME|DOCKER_.*|XDG_.*)$/.test(name))
  return await docker(['compose', '--env-file', '/dev/null', ...args], {
    env: { ...Object.fromEntries(own), ...settings },
  })
}
