import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const PROGRAM = fileURLToPath(new URL('./lock-contender-process.ts', import.meta.url))

/** Another process that locks folders when told, and holds them until it ends. */
export function startContender() {
  const contender = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: contender.stdout })[Symbol.asyncIterator]()
  onTestFinished(() => void contender.kill('SIGKILL'))
  return {
    pid: contender.pid,
    /** `locked`, or the code of the error. */
    async lock(dir: string, at = 0): Promise<string> {
      contender.stdin.write(`${JSON.stringify({ dir, at })}\n`)
      const answer = await answers.next()
      return answer.value ?? 'ended'
    },
    async kill() {
      const exited = once(contender, 'exit')
      contender.kill('SIGKILL')
      await exited
    },
  }
}
