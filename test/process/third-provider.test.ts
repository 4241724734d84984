import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { archivedEvents, dayFiles } from '../support/archived.ts'
import { runCommand } from '../support/command.ts'
import { post, signedDelivery } from '../support/deliveries.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { startTarget } from '../support/target.ts'
import { tempDir } from '../support/temp-dir.ts'
import { COURIER_KEY, parcelDelivery } from '../support/third-provider.ts'
import { waitFor } from '../support/wait.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** This project with one folder more, and one line. */
function projectWithCourier(): string {
  const dir = tempDir()
  cpSync(join(ROOT, 'src'), join(dir, 'src'), { recursive: true })
  for (const file of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, file), join(dir, file))
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))

  const source = readFileSync(join(ROOT, 'test/fixtures/third-provider/index.ts'), 'utf8')
  mkdirSync(join(dir, 'src/sources/courier'))
  writeFileSync(join(dir, 'src/sources/courier/index.ts'), source.replaceAll('../../../src/', '../../'))
  const list = join(dir, 'src/sources/all.ts')
  writeFileSync(list, `${readFileSync(list, 'utf8')}export { courier } from './courier/index.ts'\n`)
  return dir
}

const handler = (file: string) => `import { appendFileSync } from 'node:fs'
import { defineHandler } from 'callcov-webhook-receiver'
export default defineHandler({
  name: 'parcels',
  on: ['parcel.delivered', 'parcel.lost'],
  handle: (event, { delivery }) =>
    appendFileSync(${JSON.stringify(file)}, JSON.stringify({ ...event, deliveryId: delivery.id }) + '\\n'),
})
`

it('a third provider is one folder and one line: its types fit, and its webhooks reach handlers', async () => {
  const project = projectWithCourier()
  mkdirSync(join(project, 'handlers'))
  const typed = handler('/dev/null').replace('callcov-webhook-receiver', '../src/index.ts')
  const checked = `import type { EventOf } from '../src/index.ts'
export const weightOf = (event: EventOf<'parcel.lost'>): number | null => event.weightGrams
`
  writeFileSync(join(project, 'handlers', 'parcels.ts'), typed)
  writeFileSync(join(project, 'handlers', '_weight.ts'), checked)
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), { cwd: project })

  const kept = join(tempDir(), 'parcels')
  const service = await startService({
    entry: join(project, 'src/main.ts'),
    env: { COURIER_SIGNING_KEY: COURIER_KEY },
    handlers: { 'parcels.ts': handler(kept) },
  })
  const url = `${service.url}/webhooks/courier`
  const delivery = parcelDelivery({ fields: { parcel: 'P-7 ñ' } })
  for (let time = 0; time < 2; time += 1) expect((await post(url, delivery)).status).toBe(200)
  expect((await post(url, parcelDelivery({ secret: 'whsec_of_somebody_else' }))).status).toBe(401)
  expect((await post(service.webhookUrl, signedDelivery())).status).toBe(200)

  await waitFor('the event', () => existsSync(kept) && readFileSync(kept, 'utf8').includes('\n'))
  expect(JSON.parse(readFileSync(kept, 'utf8'))).toMatchObject({
    type: 'parcel.delivered',
    source: 'courier',
    parcelId: 'P-7 ñ',
    at: '2025-11-06T10:30:00.000Z',
    weightGrams: 1200,
  })
  await waitFor('the log handler', () => service.logLines({ handler: 'log', source: 'courier' }).length >= 2)
  expect(service.logLines({ handler: 'log', msg: 'parcel delivered' })).toMatchObject([{ weightGrams: 1200 }])
  expect(service.output).toContain('/webhooks/courier\n')
})

it('the built-in handlers take the events of a third provider without a change', async () => {
  const [project, dir, redis] = [projectWithCourier(), join(tempDir(), 'archive'), await startRedis()]
  const [told, forwardedTo] = [await startTarget(), await startTarget()]
  const service = await startService({
    entry: join(project, 'src/main.ts'),
    env: {
      COURIER_SIGNING_KEY: COURIER_KEY,
      REDIS_URL: redis.url,
      ARCHIVE_DIR: dir,
      NOTIFY_URL: told.url,
      NOTIFY_EVENTS: 'parcel.lost',
      FORWARD_URLS: `desk=${forwardedTo.url} parcel.lost`,
      FORWARD_ALLOW_PRIVATE: '127.0.0.1',
    },
  })
  const delivery = parcelDelivery({ fields: { event: 'parcel.lost', parcel: 'P-7 ñ' } })
  expect((await post(`${service.url}/webhooks/courier`, delivery)).status).toBe(200)

  const ended = () => service.logLines({ msg: 'handled', source: 'courier' })
  await waitFor('all handlers', () => ended().length === 4)
  expect(ended().map(({ decision }) => decision)).toEqual(['done', 'done', 'done', 'done'])
  expect(archivedEvents(dir)).toMatchObject([
    { id: 'P-7 ñ', source: 'courier', type: 'parcel.lost', body: delivery.body, bodyEncoding: 'utf8' },
  ])
  expect(JSON.parse(String(told.requests[0]?.body))).toMatchObject({
    kind: 'parcel.lost',
    text: 'Event parcel.lost: `P-7 ñ`',
  })
  expect(forwardedTo.requests[0]?.body.toString()).toBe(delivery.body)
  expect(forwardedTo.requests[0]?.headers).toMatchObject({
    'content-type': 'application/x-www-form-urlencoded',
    'x-webhook-source': 'courier',
  })

  const env = { REDIS_URL: redis.url, ARCHIVE_DIR: dir }
  const forgotten = await runCommand(['forget', 'P-7 ñ', '--yes'], env)
  expect(forgotten).toMatchObject({ code: 0, stdout: expect.stringContaining('archive: erased 1') as string })
  expect(dayFiles(dir)).toEqual([])
})

it('the settings of a third provider are checked like those of the others', async () => {
  const entry = join(projectWithCourier(), 'src/main.ts')
  const start = (env: Record<string, string>) =>
    execFileSync(process.execPath, [entry], {
      cwd: tempDir(),
      env: { PATH: process.env.PATH, ...env },
      stdio: 'pipe',
    })
  expect(() => start({ COURIER_SIGNING_KEY: 'short' })).toThrow('COURIER_SIGNING_KEY holds a secret of fewer')
  expect(() => start({ COURIER_SIGNING_KEYS: COURIER_KEY })).toThrow('COURIER_SIGNING_KEYS is not a setting')
})
