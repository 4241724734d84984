import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { FaultProxy } from './fault-proxy.ts'
import { waitFor } from './wait.ts'

/** Who is trusted on the socket has to give a password over TCP. */
const ACCESS = 'local all all trust\nhost all all all scram-sha-256\n'
/** Nothing of it is to outlive the test, so nothing needs to reach a disk. */
const FAST = ['fsync=off', 'full_page_writes=off', 'shared_buffers=32MB', 'max_connections=50']

/** Why no PostgreSQL can be started here, if so. */
export function missingPostgres(): string | undefined {
  return existsSync(join(programs(), 'initdb')) ? undefined : 'PostgreSQL is not installed'
}

/** Debian keeps the programs of the server out of the path. */
function programs(): string {
  const { stdout } = spawnSync('sh', ['-c', 'command -v initdb'], { encoding: 'utf8' })
  if (stdout !== '') return dirname(stdout.trim())
  return globSync('/usr/lib/postgresql/*/bin').toSorted().at(-1) ?? ''
}

/** A real PostgreSQL on a unix socket and a free port, that a test may stop, kill and start again. */
export class PostgresServer {
  readonly dir = mkdtempSync(join(tmpdir(), 'callcov-postgres-'))
  /** The certificate it shows, when it speaks TLS. */
  readonly certificate = join(this.dir, 'server.crt')
  readonly #settings: readonly string[]
  #port = 0
  #process: ChildProcess | undefined

  constructor({ tls = false } = {}) {
    const owner = { ...serverUser(), cwd: this.dir }
    chownSync(this.dir, owner.uid ?? -1, owner.gid ?? -1)
    const init = ['-D', 'data', '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    execFileSync(join(programs(), 'initdb'), init, { ...owner, stdio: 'pipe' })
    writeFileSync(join(this.dir, 'data', 'pg_hba.conf'), ACCESS)
    if (tls) this.#makeCertificate(owner)
    this.#settings = tls
      ? [...FAST, 'ssl=on', 'ssl_cert_file=../server.crt', 'ssl_key_file=../server.key']
      : FAST
  }

  async start(): Promise<void> {
    // Found once, so that it is the same after a stop.
    if (this.#port === 0) this.#port = await freePort()
    const place = [`port=${this.#port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${this.dir}`]
    const options = [...place, ...this.#settings].flatMap((setting) => ['-c', setting])
    this.#process = spawn(join(programs(), 'postgres'), ['-D', 'data', ...options], {
      ...serverUser(),
      cwd: this.dir,
      stdio: 'ignore',
    })
    await waitFor('PostgreSQL to answer', () => this.query('postgres', 'SELECT 1').then(() => true))
  }

  /** Ends it in order, cutting the connections. */
  async stop(): Promise<void> {
    await this.#end('SIGINT')
  }

  /** Ends it as a power cut does; SIGKILL would leave its child processes. */
  async kill(): Promise<void> {
    await this.#end('SIGQUIT')
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** The path of its socket, for a proxy in front of it. */
  get socket(): string {
    return join(this.dir, `.s.PGSQL.${this.#port}`)
  }

  /** The address of a database, through the socket, where nobody needs a password. */
  urlOf(database: string, user = 'postgres'): string {
    return `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(this.dir)}&port=${this.#port}`
  }

  /** The same through TCP, where everybody needs one. */
  tcpUrlOf(database: string, user: string, password: string): string {
    return `postgresql://${user}:${encodeURIComponent(password)}@127.0.0.1:${this.#port}/${database}`
  }

  /** Runs one statement, or several without values, as the superuser, on a connection of its own. */
  async query(database: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new Client(this.urlOf(database))
    client.on('error', () => {})
    await client.connect()
    try {
      const { rows } = await client.query<Record<string, unknown>>(text, values)
      return rows
    } finally {
      await client.end()
    }
  }

  async createDatabase(options = ''): Promise<TestDatabase> {
    const name = `test_${Math.random().toString(36).slice(2)}`
    await this.query('postgres', `CREATE DATABASE ${name} ${options}`)
    return { name, url: this.urlOf(name), query: (text, ...values) => this.query(name, text, values) }
  }

  #makeCertificate(owner: SpawnOptions): void {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const files = ['-keyout', 'server.key', '-out', 'server.crt']
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files]
    execFileSync('openssl', args, { ...owner, stdio: 'pipe' })
    chmodSync(join(this.dir, 'server.key'), 0o600)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (server === undefined || server.exitCode !== null) return
    server.kill(signal)
    await once(server, 'exit')
  }
}

export interface TestDatabase {
  readonly name: string
  readonly url: string
  readonly query: (text: string, ...values: unknown[]) => Promise<Record<string, unknown>[]>
}

/** Starts a PostgreSQL for one test; it ends and its data go with the test. */
export async function startPostgres(options: { tls?: boolean } = {}): Promise<PostgresServer> {
  const server = new PostgresServer(options)
  onTestFinished(() => server.remove())
  await server.start()
  return server
}

/** One for all tests of a file, each of which creates a database of its own in it. */
export function sharedPostgres(): {
  createDatabase: PostgresServer['createDatabase']
  server: () => PostgresServer
} {
  let shared: PostgresServer | undefined
  const server = () => {
    if (shared === undefined)
      throw new Error('PostgreSQL is started before the tests, not while they are listed')
    return shared
  }
  beforeAll(async () => {
    if (missingPostgres() !== undefined) return
    shared = new PostgresServer()
    await shared.start()
  })
  afterAll(() => shared?.remove())
  return { createDatabase: (options) => server().createDatabase(options), server }
}

/** A network in front of a server, whose faults a test switches on and off; it closes with the test. */
export async function startPostgresProxy(
  server: PostgresServer,
): Promise<{ proxy: FaultProxy; urlOf: (database: string) => string }> {
  const proxy = new FaultProxy(server.socket)
  await proxy.start()
  onTestFinished(() => proxy.close())
  const { host } = new URL(proxy.url)
  // What comes through it arrives on the socket, and so is trusted.
  return { proxy, urlOf: (database) => `postgresql://postgres@${host}/${database}` }
}

/** How many rows the service has made; throws while there is no such table. */
export async function countRows({ query }: Pick<TestDatabase, 'query'>, table = 'analyses'): Promise<number> {
  const [row] = await query(`SELECT count(*)::int AS count FROM callcov_receiver.${table}`)
  return Number(row?.count)
}

/** Waits until there are exactly so many analyses. */
export async function waitForRows(database: TestDatabase, count: number, withinMs = 30_000): Promise<void> {
  await waitFor(`${count} rows`, async () => (await countRows(database)) === count, {
    withinMs,
    everyMs: 100,
  })
}

/** The server refuses to run as root; then it runs as the user that its package has made. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const idOf = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
