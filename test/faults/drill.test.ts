import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { ENTRY, runCommand } from '../support/command.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const BROKEN = fileURLToPath(new URL('./support/answer-before-add.ts', import.meta.url))
const SHORT = ['--minutes', '0.4', '--rate', '100']

it('a drill finds that nothing acknowledged is lost, and leaves nothing behind', async () => {
  const place = tempDir()
  const { code, stdout, stderr } = await runDrill(place, ...SHORT, '--json')
  const report = JSON.parse(stdout) as Record<string, unknown>
  expect(report).toMatchObject({
    ok: true,
    acknowledged: 2400,
    handled: 2400,
    lost: 0,
    neverAcknowledged: 0,
    late: 0,
    cut: 0,
    deadLetters: 0,
    unfinished: 0,
  })
  expect(report.answers).toMatchObject({ 200: 2400, 503: expect.any(Number) as number })
  expect(report.slowestMs).toBeLessThan(4500)
  const faults = stderr.trimEnd().split('\n')
  expect(faults.map((line) => line.replace(/^ *[\d.]+ s {2}/, ''))).toEqual([
    'kill the receiver',
    'freeze Redis for 5 s',
    'kill the worker',
    'kill Redis for 1.5 s',
    'freeze the receiver for 3 s',
  ])
  expect(code).toBe(0)
  await expectNothingLeft(place)
})

it('a drill of a service that answers before it stores says how many webhooks were lost', async () => {
  const place = tempDir()
  const { code, stdout } = await runDrill(place, ...SHORT, '--entry', BROKEN)
  const lost = Number(/^lost +(\d+) \(/m.exec(stdout)?.[1])
  const acknowledged = Number(/^acknowledged +(\d+)$/m.exec(stdout)?.[1])
  const handled = Number(/^handled +(\d+)$/m.exec(stdout)?.[1])
  expect(lost).toBeGreaterThan(0)
  expect(acknowledged - handled).toBe(lost)
  expect(stdout).toContain('FAILED')
  expect(code).toBe(1)
  await expectNothingLeft(place)
})

// Ctrl-C, and a terminal that is closed or a drill that is killed, while Redis is frozen.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGKILL'] as const) {
  it(`a drill that is ended with ${signal} leaves nothing behind`, async () => {
    const place = tempDir()
    const { drill, output } = startDrill(place)
    await waitFor('a frozen Redis', () => output().includes('freeze Redis'))
    // Redis, the service, its worker and the sender.
    expect(processesIn(place)).toHaveLength(4)
    const exited = once(drill, 'exit')
    drill.kill(signal)
    await exited
    expect(drill.exitCode).toBe(signal === 'SIGINT' ? 1 : null)
    await expectNothingLeft(place)
  })
}

it('a drill of something that does not start says so, with its last words', async () => {
  const place = tempDir()
  const { code, stderr } = await runDrill(place, '--entry', join(place, 'missing.ts'))
  expect(stderr).toContain('The service ended by itself')
  expect(stderr).toContain('MODULE_NOT_FOUND')
  expect(code).toBe(1)
  await expectNothingLeft(place)
})

async function runDrill(place: string, ...args: string[]) {
  return await runCommand(['drill', ...args], { TMPDIR: place })
}

function startDrill(place: string) {
  const drill = spawn(process.execPath, [ENTRY, 'drill', ...SHORT], {
    env: { PATH: process.env.PATH, TMPDIR: place },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void drill.kill('SIGTERM'))
  let text = ''
  drill.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { drill, output: () => text }
}

/** Neither a file in the folder for temporary ones, nor a process that runs there, as all of a drill do. */
async function expectNothingLeft(place: string): Promise<void> {
  const left = () => [...readdirSync(place), ...processesIn(place)]
  await waitFor('everything to be gone', () => left().length === 0).catch(() => {})
  expect(left()).toEqual([])
}

/** The command lines of the processes whose working folder is, or was, in this one. */
function processesIn(folder: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => {
    try {
      const isThere = readlinkSync(`/proc/${pid}/cwd`).startsWith(`${folder}/`)
      return isThere ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : []
    } catch {
      // It has ended meanwhile.
      return []
    }
  })
}
