import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  GenericContainer,
  Network,
  Wait,
  type StartedNetwork,
  type StartedTestContainer,
} from 'testcontainers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { waitFor } from '../support/wait.ts'
import { buildImage, docker, needsDocker, RestrictedContainer } from './docker.ts'

const REDIS_PASSWORD = 'f3b1c86e0d2a4957'
/** Far under the 10 s after which `docker stop` kills. */
const STOPS_WITHIN_MS = 8000

/** TypeScript, of a file that is mounted, with an import of the service and one of its own node_modules. */
const HANDLER = `import { appendFileSync } from 'node:fs'
import { defineHandler } from 'callcov-webhook-receiver'
import { stamp } from 'a-library'

export default defineHandler({
  name: 'recorder',
  on: ['analysis.completed'],
  async handle(event, { delivery }): Promise<void> {
    const run: Record<string, string> = { analysisId: event.analysisId, deliveryId: delivery.id, stamp }
    appendFileSync('/results/runs.jsonl', JSON.stringify(run) + '\\n')
  },
})
`

describe('the container', await needsDocker(), () => {
  const started: StartedTestContainer[] = []
  let dir: string
  let image: string
  let network: StartedNetwork

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'callcov-container-'))
    writeHandler(dir)
    image = await buildImage()
    network = await new Network().start()
    const settings = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory', '256mb']
    const redis = new GenericContainer('redis:8-alpine')
      .withNetwork(network)
      .withNetworkAliases('redis')
      .withCommand(['redis-server', '--requirepass', REDIS_PASSWORD, ...settings])
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    started.push(await redis.start())
  })

  afterAll(async () => {
    await Promise.all(started.map((container) => container.stop()))
    await network?.stop()
    if (image !== undefined) await docker(['image', 'rm', image])
    rmSync(dir, { recursive: true, force: true })
  })

  it('holds the service and what it needs, and nothing else of the project', async () => {
    const list = async (path: string) => (await inImage('ls', '-A', path)).split('\n')
    expect(await list('/app')).toEqual(['handlers', 'node_modules', 'package.json', 'src'])
    expect(await list('/app/handlers')).toEqual(['example.ts'])
    const packages = await list('/app/node_modules')
    expect(packages).toContain('bullmq')
    expect(packages).not.toContain('vitest')
    // Node is in the image already.
    expect(packages.filter((name) => name.startsWith('node-linux'))).toEqual([])
  })

  it('has no secret in its settings', async () => {
    const environment = JSON.parse(await inspect(image, '.Config.Env')) as string[]
    const names = environment.map((setting) => setting.split('=', 1)[0])
    expect(names).toEqual(expect.arrayContaining(['NODE_ENV', 'ADMIN_HOST']))
    expect(names.filter((name) => /SECRET|PASSWORD|TOKEN|KEY|REDIS/.test(name ?? ''))).toEqual([])
  })

  it('is not root, and says so by number', async () => {
    expect(JSON.parse(await inspect(image, '.Config.User'))).toBe('10001:10001')
  })

  it('ends with 1 and names the missing settings when it is given none', async () => {
    const refused = docker(['run', '--rm', image])
    await expect(refused).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /CALLCOV_WEBHOOK_SECRET .* is required in production[^]*REDIS_URL is required/,
      ) as string,
    })
  })

  it('runs the commands of callcov-receiver', async () => {
    expect(await inImage('callcov-receiver', '--help')).toContain('Usage: callcov-receiver')
  })

  it('hands a signed webhook to a mounted handler, with nothing that it may write but what is mounted', async () => {
    const service = await start()
    const url = `http://${service.getHost()}:${service.getMappedPort(8080)}/webhooks/callcov`
    const answer = await post(url, signedDelivery({ fields: { id: 'call-1' } }))
    expect([answer.status, await answer.json()]).toEqual([200, { received: true }])
    const forged = await post(url, signedDelivery({ secret: 'not the secret of the service' }))
    expect(forged.status).toBe(401)

    const file = join(dir, 'results', 'runs.jsonl')
    await waitFor('the handler in the container', () => existsSync(file))
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      analysisId: 'call-1',
      deliveryId: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      stamp: 'of its own node_modules',
    })

    const inside = async (command: string) => (await service.exec(['sh', '-c', command])).output.trim()
    expect(await inside('id -u')).toBe('10001')
    expect(await inside('grep -E "^(CapEff|NoNewPrivs)" /proc/1/status')).toMatch(
      /^CapEff:\s0+\nNoNewPrivs:\s1$/,
    )
    // The one folder of the image that every user may write to.
    expect(await inside('touch /tmp/file')).toContain('Read-only file system')
    expect(await docker(['logs', service.getId()])).not.toMatch(new RegExp(`${REDIS_PASSWORD}|${SECRET}`))
  })

  it('stops by itself when Docker asks it to', async () => {
    const service = await start()
    const startedAt = performance.now()
    await docker(['stop', '--time', '30', service.getId()])
    expect(performance.now() - startedAt).toBeLessThan(STOPS_WITHIN_MS)
    expect(JSON.parse(await inspect(service.getId(), '.State.ExitCode'))).toBe(0)
  })

  it.each(['receiver', 'worker'])('is healthy as a %s, on another private port too', async (role) => {
    const service = await start({ ROLE: role, ADMIN_PORT: '9090' })
    expect(JSON.parse(await inspect(service.getId(), '.State.Health.Status'))).toBe('healthy')
  })

  it('is unhealthy when its private listener does not answer', async () => {
    const service = await start()
    await docker(['kill', '--signal', 'STOP', service.getId()])
    await waitFor(
      'Docker to notice',
      async () => JSON.parse(await inspect(service.getId(), '.State.Health.Status')) === 'unhealthy',
      { withinMs: 60_000, everyMs: 500 },
    )
  })

  /** Starts the service on the Redis of these tests, and waits until Docker calls it healthy. */
  async function start(settings: Record<string, string> = {}): Promise<StartedTestContainer> {
    const container = await new RestrictedContainer(image)
      .withNetwork(network)
      .withEnvironment({
        CALLCOV_WEBHOOK_SECRET: SECRET,
        REDIS_URL: `redis://:${REDIS_PASSWORD}@redis:6379`,
        ...settings,
      })
      .withBindMounts([
        { source: join(dir, 'handlers'), target: '/app/handlers', mode: 'ro' },
        { source: join(dir, 'results'), target: '/results' },
      ])
      .withExposedPorts(8080)
      .withWaitStrategy(Wait.forHealthCheck())
      .start()
    started.push(container)
    return container
  }

  async function inImage(...command: string[]): Promise<string> {
    return await docker(['run', '--rm', image, ...command])
  }
})

async function inspect(name: string, field: string): Promise<string> {
  return await docker(['inspect', '--format', `{{json ${field}}}`, name])
}

/** Readable, and the results writable, for the user of the container, whoever runs the tests. */
function writeHandler(dir: string): void {
  const library = join(dir, 'handlers', 'node_modules', 'a-library')
  mkdirSync(library, { recursive: true })
  mkdirSync(join(dir, 'results'))
  writeFileSync(join(dir, 'handlers', 'recorder.ts'), HANDLER)
  writeFileSync(join(library, 'package.json'), '{"name":"a-library","type":"module","exports":"./index.js"}')
  writeFileSync(join(library, 'index.js'), `export const stamp = 'of its own node_modules'\n`)
  chmodSync(dir, 0o755)
  chmodSync(join(dir, 'results'), 0o777)
}
