import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { GenericContainer } from 'testcontainers'

declare module 'vitest' {
  interface TaskMeta {
    /** Why a test cannot run on this machine; `scripts/test.ts` prints it. */
    skipReason?: string
  }
}

const run = promisify(execFile)
/** A client whose engine hangs must not hold up the tests of a machine that has none. */
const ANSWER_WITHIN_MS = 20_000

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Runs docker and returns what it wrote. @throws with its standard error, when it fails */
export async function docker(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<string> {
  const { env = process.env, timeoutMs } = options
  const settings = { cwd: ROOT, env, maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs }
  const { stdout } = await run('docker', [...args], settings)
  return stdout.trim()
}

/** The options of a test that needs docker: skips it, with the reason in the report, where there is none. */
export async function needsDocker({ compose = false } = {}): Promise<{
  skip: boolean
  meta: { skipReason?: string }
}> {
  const skipReason = (await engineProblem()) ?? (compose ? await composeProblem() : undefined)
  return skipReason === undefined ? { skip: false, meta: {} } : { skip: true, meta: { skipReason } }
}

async function engineProblem(): Promise<string | undefined> {
  try {
    await docker(['version', '--format', '{{.Server.Version}}'], { timeoutMs: ANSWER_WITHIN_MS })
    return undefined
  } catch (error) {
    return `no Docker engine answers: ${lastLine(error)}`
  }
}

async function composeProblem(): Promise<string | undefined> {
  try {
    await docker(['compose', 'version'], { timeoutMs: ANSWER_WITHIN_MS })
    return undefined
  } catch (error) {
    return `docker compose is not there: ${lastLine(error)}`
  }
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().split('\n').at(-1) ?? ''
}

/** Builds the image as a user would, under a name of its own, and returns that. */
export async function buildImage(): Promise<string> {
  const image = `callcov-webhook-receiver:test-${randomUUID().slice(0, 8)}`
  await docker(['build', '--tag', image, ...(await registryOptions()), '.'])
  return image
}

/** Where npm has a registry of this machine only, the build has to be told, and to see this machine's network. */
async function registryOptions(): Promise<string[]> {
  const { stdout } = await run('npm', ['config', 'ls'])
  // npm lists only what differs from its defaults.
  const registry = /^registry = "(.+)"$/m.exec(stdout)?.[1]
  return registry === undefined ? [] : ['--network', 'host', '--build-arg', `NPM_CONFIG_REGISTRY=${registry}`]
}

/** A container that may do as little as the service needs. */
export class RestrictedContainer extends GenericContainer {
  constructor(image: string) {
    super(image)
    this.hostConfig.ReadonlyRootfs = true
    this.withDroppedCapabilities('ALL').withSecurityOpt('no-new-privileges')
  }
}
