import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { callKeeper, HAMSA_TOKEN, keptCalls, waitForCalls } from '../support/calls.ts'
import { completedAnalysis, SECRET } from '../support/deliveries.ts'
import { recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const ENTRY = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/

interface SendResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command as its users do, in an empty folder and with no settings but these. */
async function send(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<SendResult> {
  const child = spawn(process.execPath, [ENTRY, 'send', ...args], {
    cwd: tempDir(),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, stdout, stderr }
}

/** Sends to a service with its secret, unless the arguments say otherwise. */
async function sendTo(service: Service, ...args: string[]): Promise<SendResult> {
  return await send(['--url', service.webhookUrl, ...args], { CALLCOV_WEBHOOK_SECRET: SECRET })
}

/** A service with a handler that notes its runs in `runsFile`, and another that keeps whole events. */
async function startRecordingService(env: NodeJS.ProcessEnv = {}) {
  const dir = tempDir()
  const runsFile = join(dir, 'runs.jsonl')
  const eventsFile = join(dir, 'events.jsonl')
  const keeper = `import { appendFileSync } from 'node:fs'
export default {
  name: 'keeper',
  on: ['analysis.completed', 'analysis.failed'],
  handle: (event) => appendFileSync(${JSON.stringify(eventsFile)}, JSON.stringify(event) + '\\n'),
}`
  const handlers = { 'recorder.ts': recordingHandler(runsFile), 'keeper.ts': keeper }
  const service = await startService({ env, handlers })
  const firstEvent = async () =>
    await waitFor('an event', () => {
      const [line] = readFileSync(eventsFile, 'utf8').split('\n')
      return JSON.parse(line ?? '') as Record<string, unknown>
    })
  return { service, runsFile, firstEvent }
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('what it sends', () => {
  test('without options it sends one completed analysis, which a handler gets', async () => {
    const { service, runsFile, firstEvent } = await startRecordingService()
    const { code, stdout, stderr } = await sendTo(service)
    expect(stdout).toContain('200 {"received":true}')
    expect(stderr).toBe('')
    expect(code).toBe(0)

    const [run] = await waitForRuns(runsFile, 1)
    expect(run).toMatchObject({ type: 'analysis.completed', analysisId: UUID.exec(stdout)?.[0] })
    const event = await firstEvent()
    expect(event.results).toMatchObject({ compliance: {}, quality: {}, coaching: {} })
    expect(event.transcript).toHaveProperty('segments.length', 10)
    expect(Date.now() - Date.parse(String(event.createdAt))).toBeLessThan(60_000)
  })

  test('the event shape reaches handlers as the same event, transcript and results included', async () => {
    const { service, firstEvent } = await startRecordingService()
    const { code } = await sendTo(service, '--shape', 'event', '--id', 'anl_of_mine', '--segments', '3')
    expect(code).toBe(0)
    const event = await firstEvent()
    expect(event).toMatchObject({ type: 'analysis.completed', analysisId: 'anl_of_mine', partial: false })
    expect(event.raw).toMatchObject({ event: 'analysis.completed', analysis_id: 'anl_of_mine' })
    expect(event.transcript).toHaveProperty('segments.length', 3)
    expect(event.results).toHaveProperty('compliance')
  })

  test.each(['analysis', 'event'])('a failed analysis in the %s shape tells its error', async (shape) => {
    const { service, firstEvent } = await startRecordingService()
    const { code } = await sendTo(service, '--event', 'failed', '--shape', shape)
    expect(code).toBe(0)
    const event = await firstEvent()
    expect(event.type).toBe('analysis.failed')
    expect(event.error).toHaveProperty('message', expect.stringContaining('could not be transcribed'))
    expect(event.createdAt).toEqual(expect.any(String))
  })

  test('a Spanish transcript arrives with all its accents', async () => {
    const { service, firstEvent } = await startRecordingService()
    const { code } = await sendTo(service, '--language', 'es')
    expect(code).toBe(0)
    const { transcript } = await firstEvent()
    expect(transcript).toHaveProperty(
      'text',
      expect.stringMatching(/Agent: .*Begoña Núñez.*\nCustomer: .*miércoles/),
    )
    expect(transcript).toHaveProperty('text', expect.stringContaining('¿Me dice su número de cliente'))
  })

  test('a duplicate is answered 200 twice and handled once', async () => {
    const { service, runsFile } = await startRecordingService()
    const { code, stdout } = await sendTo(service, '--duplicate', '--id', 'sent-twice')
    expect(stdout.match(/200 \{"received":true\}/g)).toHaveLength(2)
    expect(code).toBe(0)
    // One that is sent later has run: a second run of the first would have come before it.
    await sendTo(service, '--id', 'sent-later')
    const runs = await waitForRuns(runsFile, 2)
    expect(runs.map(({ analysisId }) => analysisId)).toEqual(['sent-twice', 'sent-later'])
    expect(service.logLines({ outcome: 'duplicate', id: 'sent-twice' })).toHaveLength(1)
  })

  test('a fixed id counts on when several webhooks are sent', async () => {
    const { service, runsFile } = await startRecordingService()
    const { code } = await sendTo(service, '--id', 'mine', '--count', '3')
    expect(code).toBe(0)
    const runs = await waitForRuns(runsFile, 3)
    expect(runs.map(({ analysisId }) => analysisId).toSorted()).toEqual(['mine', 'mine-2', 'mine-3'])
  })

  test('a file is sent byte for byte', async () => {
    const { service, firstEvent } = await startRecordingService()
    const file = join(tempDir(), 'body.json')
    // Spacing that no serialiser would write: a changed byte would break neither signature nor JSON.
    const body = `\n ${JSON.stringify({ ...completedAnalysis(), id: 'from-a-file' }, undefined, 5)}\r\n`
    writeFileSync(file, body)
    const { code, stdout } = await sendTo(service, '--file', file)
    expect(stdout).toContain(file)
    expect(code).toBe(0)
    expect(await firstEvent()).toHaveProperty('analysisId', 'from-a-file')
    expect(
      service.logLines({ msg: 'webhook stored', id: 'from-a-file', bytes: Buffer.byteLength(body) }),
    ).toHaveLength(1)
  })

  test('200 webhooks at 100 a second take two seconds, and the summary counts them', async () => {
    const { service, runsFile } = await startRecordingService()
    const { code, stdout, stderr } = await sendTo(service, '--count', '200', '--rate', '100', '--json')
    const summary = JSON.parse(stdout)
    expect(summary).toMatchObject({ ok: true, sent: 200, answers: { '200': 200 }, unanswered: {} })
    expect(summary.seconds).toBeGreaterThan(1.9)
    expect(summary.seconds).toBeLessThan(5)
    expect(code).toBe(0)
    expect(stderr, 'a progress bar where no person looks on').toBe('')
    const ids = (await waitForRuns(runsFile, 200)).map(({ analysisId }) => analysisId)
    expect(new Set(ids)).toHaveProperty('size', 200)
  })
})

describe('as Hamsa', () => {
  /** Sends to a service that takes webhooks of Hamsa; its handler keeps them in `kept`. */
  async function startForCalls() {
    const kept = join(tempDir(), 'events.jsonl')
    const env = { HAMSA_WEBHOOK_TOKEN: `Bearer ${HAMSA_TOKEN}` }
    const service = await startService({ env, handlers: { 'keeper.ts': callKeeper(kept) } })
    const args = ['--source', 'hamsa', '--url', `${service.url}/webhooks/hamsa`]
    return { kept, sendCall: (...more: string[]) => send([...args, ...more], env), args }
  }

  test('it sends the end of a call, with the token that the service has', async () => {
    const { kept, sendCall } = await startForCalls()
    const { code, stdout, stderr } = await sendCall('--segments', '3', '--language', 'es')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('200 {"received":true}')
    const [event] = await waitForCalls(kept, 1)
    expect(event).toMatchObject({
      type: 'call.ended',
      callId: UUID.exec(stdout)?.[0],
      transcript: { length: 3, 1: { speaker: 'User' } },
      outcome: { resolved: true },
    })
  })

  test('it sends each of the five events', async () => {
    const { kept, sendCall } = await startForCalls()
    const types = ['call.started', 'call.answered', 'transcription.update', 'tool.executed', 'call.ended']
    for (const type of types) {
      expect(await sendCall('--event', type, '--id', 'one-call')).toMatchObject({ code: 0 })
    }
    const events = await waitForCalls(kept, types.length)
    expect(events.map(({ type }) => type).toSorted()).toEqual(types.toSorted())
    expect(new Set(events.map(({ callId }) => callId))).toEqual(new Set(['one-call']))
  })

  test('a duplicate is handled once, and several calls are several', async () => {
    const { kept, sendCall } = await startForCalls()
    const { stdout } = await sendCall('--duplicate', '--id', 'call', '--count', '3', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ sent: 6, answers: { '200': 6 } })
    await sendCall('--id', 'later')
    await waitFor('the last one', () => keptCalls(kept).some(({ callId }) => callId === 'later'))
    const ids = keptCalls(kept).map(({ callId }) => callId)
    expect(ids.toSorted()).toEqual(['call', 'call-2', 'call-3', 'later'])
  })

  test('a wrong token is refused, as expected with --bad-signature', async () => {
    const { sendCall, args } = await startForCalls()
    const bad = await sendCall('--bad-signature')
    expect(bad.stdout).toContain('401 {"error":"Unauthorized"}')
    expect(bad.code).toBe(0)
    const wrong = await send([...args, '--secret', 'not-that-of-the-service'])
    expect(wrong.stderr).toContain('differs from the one used here (--secret)')
    expect(wrong.code).toBe(1)
  })

  test('a service without a token has no such path, which is explained', async () => {
    const service = await startService()
    const url = `${service.url}/webhooks/hamsa`
    const { code, stderr } = await send(['--source', 'hamsa', '--url', url, '--secret', HAMSA_TOKEN])
    expect(stderr).toContain('it ends in /webhooks/hamsa, where the service has a secret for it')
    expect(code).toBe(1)
  })

  test.each([
    [[], 'HAMSA_WEBHOOK_TOKEN is not set'],
    [['--secret', HAMSA_TOKEN, '--event', 'completed'], 'call.started, call.answered, transcription.update'],
    [['--secret', HAMSA_TOKEN, '--shape', 'event'], '--shape is for --source callcov only'],
  ])('%j ends the command with code 2 and says why', async (args, said) => {
    const { code, stderr } = await send(['--source', 'hamsa', ...args])
    expect(stderr).toContain(said)
    expect(code).toBe(2)
  })

  test('the events of Hamsa are none of CallCov', async () => {
    const { code, stderr } = await send(['--secret', SECRET, '--event', 'call.ended'])
    expect(stderr).toContain('--event of --source callcov is one of: completed, failed')
    expect(code).toBe(2)
  })
})

describe('what it finds', () => {
  test('a bad signature is refused, as expected, so that the command succeeds', async () => {
    const { service } = await startRecordingService()
    const { code, stdout } = await send(['--url', service.webhookUrl, '--bad-signature'])
    expect(stdout).toContain('401 {"error":"Invalid signature"}')
    expect(code).toBe(0)
  })

  test('another secret than that of the service is explained without being shown', async () => {
    const { service } = await startRecordingService()
    const { code, stdout, stderr } = await sendTo(service, '--secret', 'not-that-of-the-service')
    expect(stdout).toContain('401 {"error":"Invalid signature"}')
    expect(stderr).toContain('the secret of the service differs from the one used here (--secret)')
    expect(stdout + stderr).not.toContain('not-that-of-the-service')
    expect(code).toBe(1)
  })

  test('a wrong path is explained', async () => {
    const service = await startService()
    const { code, stderr } = await send(['--url', `${service.url}/webhook`, '--secret', SECRET])
    expect(stderr).toContain('404: the path of --url is probably wrong')
    expect(code).toBe(1)
  })

  test('the JSON summary is one line with the answer and the times', async () => {
    const { service } = await startRecordingService()
    const { code, stdout } = await sendTo(service, '--json', '--id', 'seen-in-json')
    expect(stdout.match(/\n/g)).toHaveLength(1)
    const number = expect.any(Number)
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      url: service.webhookUrl,
      id: 'seen-in-json',
      sent: 1,
      seconds: number,
      answers: { '200': 1 },
      unanswered: {},
      ms: { min: number, p50: number, p95: number, p99: number, max: number },
      replies: [{ status: 200, body: '{"received":true}', ms: number }],
    })
    expect(code).toBe(0)
  })

  test('where nothing listens it stops early, and names the address and how to start the service', async () => {
    const url = `http://localhost:${await unusedPort()}/webhooks/callcov`
    const args = ['--url', url, '--secret', SECRET, '--count', '5000', '--rate', '10']
    const { code, stdout, stderr } = await send(args)
    expect(stderr).toContain(`Nothing answers at ${url}`)
    expect(stderr).toContain('npm start')
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })

  test('a service that hangs up is counted, and the others are sent all the same', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => socket.destroy())
      socket.on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { code, stdout } = await send(['--url', url, '--secret', SECRET, '--count', '3', '--json'])
    const summary = JSON.parse(stdout)
    expect(summary).toMatchObject({ ok: false, sent: 3, answers: {}, ms: null })
    expect(Object.values(summary.unanswered)).toEqual([3])
    expect(code).toBe(1)
  })
})

describe('the secret', () => {
  test('that a development service made is found by itself', async () => {
    const { service, runsFile } = await startRecordingService({ CALLCOV_WEBHOOK_SECRET: undefined })
    const port = new URL(service.url).port
    const { code, stdout } = await send([], { DATA_DIR: service.dataDir, PORT: port })
    expect(stdout).toContain(`to http://localhost:${port}/webhooks/callcov`)
    expect(stdout).toContain('200 {"received":true}')
    expect(code).toBe(0)
    await waitForRuns(runsFile, 1)
  })

  test.each([
    ['the first of a list', { CALLCOV_WEBHOOK_SECRET: ` ${SECRET}, the-one-before-that` }],
    ['the first line of a file', { CALLCOV_WEBHOOK_SECRET_FILE: `${SECRET}\nthe-one-before-that\n` }],
  ])('is %s when several are configured', async (_which, setting) => {
    const env: NodeJS.ProcessEnv = { ...setting }
    if (env.CALLCOV_WEBHOOK_SECRET_FILE !== undefined) {
      const file = join(tempDir(), 'secret')
      writeFileSync(file, env.CALLCOV_WEBHOOK_SECRET_FILE)
      env.CALLCOV_WEBHOOK_SECRET_FILE = file
    }
    const service = await startService()
    const { code, stdout } = await send(['--url', service.webhookUrl], env)
    expect(stdout).toContain('200 {"received":true}')
    expect(code).toBe(0)
  })

  test('that is nowhere to be found ends the command with what to do', async () => {
    const { code, stderr } = await send([], { DATA_DIR: '/nowhere/at-all' })
    expect(stderr).toContain('there is no /nowhere/at-all/callcov-webhook-secret')
    expect(stderr).toContain('npm start')
    expect(stderr).toContain('--secret')
    expect(code).toBe(2)
  })
})

describe('what it refuses', () => {
  test.each([
    [['--count', 'many'], '--count'],
    [['--count', '0'], '--count'],
    [['--rate', '0'], '--rate'],
    [['--segments', '-1'], '--segments'],
    [['--concurrency', '1.5'], '--concurrency'],
    [['--event', 'processing'], 'completed, failed'],
    [['--shape', 'round'], 'analysis, event'],
    [['--language', 'fr'], 'en, es'],
    [['--source', 'nobody'], 'callcov, hamsa'],
    [['--url', 'localhost:8080'], '--url'],
    [['--id', ''], '--id'],
    [['--file', '/nowhere/body.json'], '/nowhere/body.json cannot be read (ENOENT)'],
    [['--file', ENTRY, '--event', 'failed'], '--event'],
    [['--colour'], '--colour'],
    [['everything'], 'everything'],
  ])('%j ends the command with code 2 and says why', async (args, said) => {
    const { code, stdout, stderr } = await send(['--secret', SECRET, ...args])
    expect(stderr).toContain(said)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  test('a PORT that is none is named', async () => {
    const { code, stderr } = await send(['--secret', SECRET], { PORT: '0' })
    expect(stderr).toContain('PORT')
    expect(code).toBe(2)
  })
})
