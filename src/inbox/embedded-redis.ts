import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { errorCode, StartError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { lockDataDir } from './data-dir-lock.ts'
import { isAlive } from './process-state.ts'

/** The system's limit for the path of a unix socket, its closing NUL not counted. */
const SOCKET_PATH_MAX_BYTES = 107
const ANSWER_WITHIN_MS = 10_000
const STOP_WITHIN_MS = 5000
const WATCH_MS = 1000

export interface EmbeddedRedis {
  readonly url: string
  /** Ends the server, its data safely on disk. */
  stop(): Promise<void>
}

/**
 * Runs a private `redis-server` on a unix socket in the data directory, durable to the last acknowledged write.
 * One that a crashed service left alive is adopted; one that dies is started again.
 * @throws StartError when another service uses the directory, or the server does not start
 */
export async function startEmbeddedRedis(dataDir: string, log: Logger): Promise<EmbeddedRedis> {
  makeDataDir(dataDir)
  const lock = lockDataDir(dataDir)
  try {
    const socket = embeddedSocketPath(dataDir)
    const left = await findRunning(socket, dataDir)
    if (left !== undefined)
      log.warn({ pid: left }, 'adopted the redis-server that an earlier run left behind')
    let pid = left ?? (await launch(socket, dataDir))

    let starting = false
    const watch = setInterval(() => {
      if (starting || isAlive(pid)) return
      starting = true
      log.error('the embedded redis-server has ended; starting it again')
      launch(socket, dataDir)
        .then((newPid) => {
          pid = newPid
        })
        .catch((error: unknown) => log.error({ err: error }, 'the embedded redis-server does not start'))
        .finally(() => {
          starting = false
        })
    }, WATCH_MS)

    return {
      url: `unix://${socket}`,
      async stop() {
        clearInterval(watch)
        await end(pid)
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Where it listens: in the data directory, or in a short place of its own where that path would be too long for a socket. */
export function embeddedSocketPath(dataDir: string): string {
  const path = join(dataDir, 'redis.sock')
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX_BYTES) return path
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  const base = Buffer.byteLength(tmpdir()) <= 60 ? tmpdir() : '/tmp'
  return join(base, `callcov-${process.getuid?.() ?? 0}-${name}`, 'redis.sock')
}

function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  } catch (error) {
    const text = `The folder ${dataDir} cannot be made (${errorCode(error)}); set DATA_DIR to another, or REDIS_URL to a Redis.`
    throw new StartError('CALLCOV_DATA_DIR', text)
  }
}

async function findRunning(socket: string, dataDir: string): Promise<number | undefined> {
  const pid = await askPid(socket)
  if (pid !== undefined) return pid
  // A server that runs on these files without answering would be doubled by a second one.
  const left = Number(readIfPresent(join(dataDir, 'redis.pid')))
  if (left > 0 && isAlive(left) && readIfPresent(`/proc/${left}/comm`)?.startsWith('redis-server') === true) {
    throw new StartError(
      'CALLCOV_REDIS',
      `A redis-server (process ${left}) still runs on ${dataDir} and does not answer; end it and start again.`,
    )
  }
  return undefined
}

/** The process number of the server behind the socket; `undefined` when there is none or it does not answer. */
async function askPid(socket: string): Promise<number | undefined> {
  const redis = new Redis({
    path: socket,
    lazyConnect: true,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_WITHIN_MS,
    retryStrategy: () => null,
  })
  redis.on('error', () => {})
  try {
    await redis.connect()
    const pid = /process_id:(\d+)/.exec(await redis.info())?.[1]
    return pid === undefined ? undefined : Number(pid)
  } catch {
    return undefined
  } finally {
    redis.disconnect()
  }
}

async function launch(socket: string, dataDir: string): Promise<number> {
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 })
  const logFile = join(dataDir, 'redis.log')
  const configFile = join(dataDir, 'redis.conf')
  writeFileSync(configFile, serverConfig(socket, dataDir, logFile), { mode: 0o600 })
  // A process group of its own: Ctrl-C in the terminal must not reach it before the service has finished.
  const server = spawn('redis-server', [configFile], { detached: true, stdio: 'ignore' })
  let failure: string | undefined
  server.on('error', (error) => {
    failure = `redis-server cannot be started (${errorCode(error)}); install it or set REDIS_URL`
  })
  server.on('exit', () => {
    failure ??= `redis-server ended at once; its last words in ${logFile}:\n${lastLines(logFile)}`
  })
  server.unref()
  const deadline = Date.now() + ANSWER_WITHIN_MS
  while (failure === undefined) {
    const pid = await askPid(socket)
    if (pid !== undefined) return pid
    if (Date.now() > deadline) failure = `redis-server does not answer; see ${logFile}`
    await sleep(20)
  }
  throw new StartError('CALLCOV_REDIS', failure)
}

function serverConfig(socket: string, dataDir: string, logFile: string): string {
  const quoted = (path: string) => `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  return `port 0
unixsocket ${quoted(socket)}
unixsocketperm 700
dir ${quoted(dataDir)}
pidfile ${quoted(join(dataDir, 'redis.pid'))}
logfile ${quoted(logFile)}
appendonly yes
appendfsync always
aof-use-rdb-preamble yes
auto-aof-rewrite-min-size 256mb
save ""
maxmemory-policy noeviction
hash-max-listpack-value 4096
`
}

async function end(pid: number): Promise<void> {
  const deadline = Date.now() + STOP_WITHIN_MS
  signal(pid, 'SIGTERM')
  while (isAlive(pid)) {
    if (Date.now() > deadline) signal(pid, 'SIGKILL')
    await sleep(20)
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended already, which is what every signal here is for.
  }
}

function lastLines(path: string): string {
  return readIfPresent(path)?.trimEnd().split('\n').slice(-5).join('\n') ?? ''
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
