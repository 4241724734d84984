import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { jsonOf } from '../support/command.ts'
import { completedAnalysis, post, signedDelivery } from '../support/deliveries.ts'
import { recordedRuns, recordingHandler, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService, type Service } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** A handler that notes what its hooks are told, as lines of a file. */
function hookedHandler(file: string, { start = '', stop = '', onDeadLetter = '', handle = '' }): string {
  return `import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PermanentError } from 'callcov-webhook-receiver'
const note = (...words) => appendFileSync(${JSON.stringify(file)}, words.join(' ') + '\\n')
export default {
  name: 'hooked',
  on: ['analysis.completed'],
  async start({ log }) { note('start', typeof log.info); ${start} },
  async stop() { note('stop'); ${stop} },
  async onDeadLetter({ handler, reason, jobId }) { note('dead', handler, reason, jobId.length); ${onDeadLetter} },
  async handle(event) { note('handle'); ${handle} },
}
`
}

function notes(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
}

async function startHooked(hooks: Parameters<typeof hookedHandler>[1], env: NodeJS.ProcessEnv = {}) {
  const file = join(tempDir(), 'notes')
  const redis = await startRedis()
  const text = hookedHandler(file, hooks)
  const service = await startService({
    env: { REDIS_URL: redis.url, ...env },
    handlers: { 'hooked.ts': text },
  })
  return { file, text, service }
}

const untilNoted = (file: string, note: string) =>
  waitFor(`${note} to be noted`, () => notes(file).includes(note))

it('calls start when the worker starts, and stop when nothing runs any more', async () => {
  const { file, service } = await startHooked({ handle: `await sleep(300); note('handled')` })
  await untilNoted(file, 'start function')
  await post(service.webhookUrl, signedDelivery())
  await untilNoted(file, 'handle')
  await service.stop()
  expect(notes(file)).toEqual(['start function', 'handle', 'handled', 'stop'])
})

it('does not wait for start before it runs handlers, and goes on when start or stop throws', async () => {
  const { file, service } = await startHooked({
    start: `throw new Error('the table cannot be made')`,
    stop: `throw new Error('the table cannot be left')`,
  })
  await post(service.webhookUrl, signedDelivery())
  await untilNoted(file, 'handle')
  expect(service.logLines({ handler: 'hooked', msg: 'start of the handler failed' })).toMatchObject([
    { level: 50, err: { message: 'Error: the table cannot be made' } },
  ])
  await service.stop()
  expect(service.process.exitCode).toBe(0)
  expect(service.logLines({ handler: 'hooked', msg: 'stop of the handler failed' })).toHaveLength(1)
})

it('does not wait for a stop that never ends beyond its time', async () => {
  const { file, service } = await startHooked({ stop: 'await new Promise(() => {})' })
  await untilNoted(file, 'start function')
  await service.stop()
  expect(service.process.exitCode).toBe(0)
  expect(service.logLines({ msg: 'stop of the handler did not end in time' })).toHaveLength(1)
})

it('calls stop, and start of the new one, when a handler file has changed', async () => {
  const { file, text, service } = await startHooked({})
  await untilNoted(file, 'start function')
  const changed = text.replace(`note('start'`, `note('start of the new one'`)
  writeFileSync(join(service.handlersDir, 'hooked.ts'), changed)
  await untilNoted(file, 'start of the new one function')
  expect(notes(file)).toEqual(['start function', 'stop', 'start of the new one function'])
})

it('tells of each new dead letter, of any handler and of what was not dispatched, and never while another attempt follows', async () => {
  const file = join(tempDir(), 'notes')
  const redis = await startRedis()
  const service = await startService({
    env: { REDIS_URL: redis.url },
    handlers: {
      'hooked.ts': hookedHandler(file, { onDeadLetter: `throw new Error('the hook is broken')` }),
      'fails.ts': recordingHandler('/dev/null', {
        name: 'fails',
        options: `attempts: 2, backoff: '10ms',`,
        does: `throw event.call.agentId === 'odd' ? new PermanentError('no') : new Error('down')`,
      }),
    },
  })
  const id = 'anl-1'
  const send = async (fields: Record<string, unknown>) =>
    await post(
      service.webhookUrl,
      signedDelivery({ body: JSON.stringify({ ...completedAnalysis(), id, ...fields }) }),
    )
  await send({})
  await untilNoted(file, 'dead fails failed 53')
  await send({ id: 'anl-2', call: { agent_id: 'odd' } })
  await untilNoted(file, 'dead fails permanent 53')
  await send({ results: { quality: {} } })
  await untilNoted(file, 'dead inbox conflict 53')
  await post(service.webhookUrl, signedDelivery({ body: 'no JSON' }))
  await untilNoted(file, 'dead inbox unrecognised 53')
  await send({ id: 'anl-3', audio: 'not an object' })
  await untilNoted(file, 'dead inbox schema 53')
  expect(notes(file).filter((note) => note.startsWith('dead'))).toHaveLength(5)
  await waitFor(
    'the errors of the hook to be logged',
    () => service.logLines({ handler: 'hooked', msg: 'onDeadLetter of the handler failed' }).length === 5,
  )
})

it('hands events of test mode only to handlers that want them, by replay too', async () => {
  const dir = tempDir()
  const files = { live: join(dir, 'live'), test: join(dir, 'test'), both: join(dir, 'both') }
  const redis = await startRedis()
  const env = { REDIS_URL: redis.url }
  const service = await startService({
    env,
    handlers: {
      'live.ts': recordingHandler(files.live, { name: 'live', options: 'livemode: true,' }),
      'test.ts': recordingHandler(files.test, { name: 'test', options: 'livemode: false,' }),
      'both.ts': recordingHandler(files.both, { name: 'both' }),
    },
  })
  const send = (id: string, livemode?: boolean) =>
    post(service.webhookUrl, signedDelivery({ fields: { id, ...(livemode !== undefined && { livemode }) } }))
  await send('in-test-mode', false)
  await send('live', true)
  await send('undeclared')
  await waitForRuns(files.both, 3)
  await waitForRuns(files.live, 2)
  await waitForRuns(files.test, 1)
  const idsOf = (file: string) => recordedRuns(file).map(({ analysisId }) => analysisId)
  expect(idsOf(files.live).toSorted()).toEqual(['live', 'undeclared'])
  expect(idsOf(files.test)).toEqual(['in-test-mode'])

  const feed = ['replay', '--feed', '--handler', 'live', '--since', '1h']
  expect(await jsonOf(feed, env)).toMatchObject([{ replayed: 1 }])
  await waitFor('it to be over', async () =>
    (await metrics(service)).includes('queue_jobs{queue="handler-live",state="completed"} 3'),
  )
  expect(idsOf(files.live)).toHaveLength(2)
})

it('works without any handler: deliveries are received and completed', async () => {
  const service = await startService({ env: { LOG_EVENTS: 'off' } })
  expect(service.output).toMatch(/handlers +none/)
  expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)
  await waitFor('it to be dispatched', async () =>
    (await metrics(service)).includes('queue_jobs{queue="inbox",state="completed"} 1'),
  )
  expect(service.logLines({ level: 50 })).toEqual([])
  expect(service.logLines({ level: 40 })).toEqual([])
})

async function metrics(service: Service): Promise<string> {
  return await (await fetch(`${service.adminUrl}/metrics`)).text()
}
