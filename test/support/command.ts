import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { tempDir } from './temp-dir.ts'

/** The file that runs every command. */
export const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  /** Standard output as it is. */
  readonly bytes: Buffer
  readonly stderr: string
}

/** Runs a command as its users do, in an empty folder and with no settings but these. */
export async function runCommand(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [ENTRY, ...args], {
    cwd: tempDir(),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [bytes, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, stdout: bytes.toString(), bytes, stderr }
}

/** The same for a command that writes JSON: its lines, parsed. */
export async function jsonOf(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Record<string, unknown>[]> {
  const { stdout } = await runCommand([...args, '--json'], env)
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}
