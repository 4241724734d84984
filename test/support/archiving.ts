import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const PROGRAM = fileURLToPath(new URL('./archive-process.ts', import.meta.url))
/** The day all of it was received. */
export const ARCHIVED_DAY = '2026-03-04'

/** Another process that archives, under a program that starts it if one is given. */
export function startArchiving(
  dir: string,
  { prefix = 'anl_', count = 1000, under = [] as readonly string[] } = {},
) {
  const args = [PROGRAM, dir, prefix, String(count), `${ARCHIVED_DAY}T05:06:07.008Z`]
  const [program = '', ...rest] = [...under, process.execPath, ...args]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const closed = once(child, 'close')
  onTestFinished(() => void child.kill('SIGKILL'))
  return {
    /** The ids it reported done; what it was writing when it was killed is none. */
    get done(): string[] {
      return output.split('\n').slice(0, -1)
    },
    kill: () => child.kill('SIGKILL'),
    /** Its exit code; `null` when it was killed. */
    async ended(): Promise<number | null> {
      await closed
      return child.exitCode
    },
  }
}
