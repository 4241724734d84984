import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { signedDelivery, type Delivery } from '../support/deliveries.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import {
  expectAnswers,
  expectHandled,
  expectNoDeadLetters,
  expectRecovery,
  freshDeliveries,
  idOf,
  send,
  startRun,
  waitForReadiness,
} from '../support/fault-run.ts'
import { sendAtRate } from '../support/load.ts'
import { missingProgram, needs } from '../support/needs.ts'
import { recordedRuns, waitForRuns } from '../support/recorder.ts'
import { startRedis } from '../support/redis-server.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

const HOUR_S = 3600
const ON_ITS_WAY = 50

it('RED-11: after a failover to a replica it goes on there; what was acknowledged but not yet copied may be lost', async () => {
  const [primary, replica] = [await startRedis(), await startRedis()]
  const [toPrimary, toReplica, address] = [
    await startFaultProxy(primary),
    await startFaultProxy(replica),
    await startFaultProxy(primary),
  ]
  await replica.use((client) => client.replicaof('127.0.0.1', Number(new URL(toPrimary.url).port)))
  await waitFor('the copy', () =>
    replica.use(async (client) => (await client.info('replication')).includes('master_link_status:up')),
  )
  const { service, runs } = await startRun({ redis: primary, url: address.url })
  let isOver = false
  let sent = 0
  const load = sendAtRate(service.webhookUrl, 200, counted(freshDeliveries(4000)), () => isOver)
  await waitForRuns(runs, 200)

  // The primary goes on for a moment with what it no longer can pass on, and stays up when it is demoted.
  toPrimary.frozen = true
  const sentBefore = sent
  await waitForRuns(runs, recordedRuns(runs).length + 20)
  await replica.use((client) => client.replicaof('NO', 'ONE'))
  address.upstream = replica.socket
  await primary.use((client) => client.replicaof('127.0.0.1', Number(new URL(toReplica.url).port)))
  await expectRecovery(service)
  const sentMeanwhile = sent - sentBefore
  isOver = true
  const result = await load
  expectAnswers(result, 200, 503)

  const after = await sendAtRate(service.webhookUrl, 100, freshDeliveries(100))
  expectAnswers(after, 200)
  await expectHandled(runs, after.acknowledged)
  const handled = new Set(recordedRuns(runs).map((run) => run.analysisId))
  const lost = result.acknowledged.filter((delivery) => !handled.has(idOf(delivery))).length
  process.stdout.write(`RED-11: ${lost} of ${result.acknowledged.length} acknowledged webhooks were lost\n`)
  // Only of those in between, and of what was on its way when the copying ended.
  expect(lost).toBeLessThan(sentMeanwhile + ON_ITS_WAY)
  await expectNoDeadLetters(replica)

  function* counted(deliveries: Iterable<Delivery>): Generator<Delivery> {
    for (const delivery of deliveries) {
      sent += 1
      yield delivery
    }
  }
})

for (const hours of [1, -1]) {
  it(`RED-18: a clock of the service that jumps by ${hours} h neither forgets outcomes nor stops retries, nor hides a frozen Redis`, async () => {
    const { file, env } = shiftedClock()
    const { redis, service, runs } = await startRun({
      env: { ...env, HANDLER_BACKOFF: '1s' },
      does: "if (context.attempt === 1 && event.results.retry === true) throw new Error('once more')",
    })
    const known = signedDelivery()
    expect(await send(service, known)).toBe(200)
    await expectHandled(runs, [known])
    writeFileSync(file, String(hours * HOUR_S * 1000))

    expect(await send(service, known)).toBe(200)
    const retried = signedDelivery({ fields: { results: { retry: true } } })
    expect(await send(service, retried)).toBe(200)
    const runsOf = (id: string) => recordedRuns(runs).filter((run) => run.analysisId === id).length
    await waitFor('the second attempt', () => runsOf(idOf(retried)) === 2)
    expect(runsOf(idOf(known))).toBe(1)
    await waitForReadiness(service, 'ready')

    // Once more, while the last thing known of Redis is that it can be used.
    redis.freeze()
    writeFileSync(file, String(2 * hours * HOUR_S * 1000))
    await waitForReadiness(service, 'redis-unreachable', 3500)
    redis.thaw()
    await expectRecovery(service)
    await expectNoDeadLetters(redis)
  })

  it(
    `RED-18: a clock of Redis that jumps by ${hours} h neither forgets outcomes nor stops retries`,
    needs(missingProgram('gcc')),
    async () => {
      const redis = await startRedis()
      const offset = await restartWithShiftedClock(redis)
      const { service, runs } = await startRun({
        redis,
        env: { HANDLER_BACKOFF: '1s' },
        does: "if (context.attempt === 1 && event.results.retry === true) throw new Error('once more')",
      })
      const known = signedDelivery()
      expect(await send(service, known)).toBe(200)
      await expectHandled(runs, [known])
      const before = await redis.use(async (client) => Number((await client.time())[0]))
      writeFileSync(offset, String(hours * HOUR_S))
      await waitFor('the jump', () =>
        redis.use(async (client) => Math.abs(Number((await client.time())[0]) - before) > HOUR_S / 2),
      )

      expect(await send(service, known)).toBe(200)
      const retried = signedDelivery({ fields: { results: { retry: true } } })
      expect(await send(service, retried)).toBe(200)
      const runsOf = (id: string) => recordedRuns(runs).filter((run) => run.analysisId === id).length
      await waitFor('the second attempt', () => runsOf(idOf(retried)) >= 2)
      expect(runsOf(idOf(known))).toBe(1)
      const load = await sendAtRate(service.webhookUrl, 50, freshDeliveries(100))
      expectAnswers(load, 200)
      await expectHandled(runs, load.acknowledged)
      await expectNoDeadLetters(redis)
    },
  )
}

/** Settings that let the clock of a service and its worker go wrong by the milliseconds in a file. */
function shiftedClock() {
  const dir = tempDir()
  const file = join(dir, 'offset')
  const preload = join(dir, 'clock.mjs')
  writeFileSync(file, '0')
  const text = `import { readFileSync } from 'node:fs'
const now = Date.now
let [offset, readAt] = [0, -Infinity]
function shift() {
  if (performance.now() - readAt > 20) {
    readAt = performance.now()
    offset = Number(readFileSync(${JSON.stringify(file)}, 'utf8'))
  }
  return offset
}
globalThis.Date = class extends Date {
  constructor(...args) {
    if (args.length === 0) super(now() + shift())
    else super(...args)
  }
  static now = () => now() + shift()
}
`
  writeFileSync(preload, text)
  return { file, env: { NODE_OPTIONS: `--import ${preload}` } }
}

const CLOCK_SOURCE = `#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long shift(void) {
  long offset = 0;
  FILE *file = fopen(getenv("CLOCK_OFFSET_FILE"), "r");
  if (file) { if (fscanf(file, "%ld", &offset) != 1) offset = 0; fclose(file); }
  return offset;
}
int clock_gettime(clockid_t id, struct timespec *at) {
  int result = syscall(SYS_clock_gettime, id, at);
  if (id == CLOCK_REALTIME) at->tv_sec += shift();
  return result;
}
int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
`

/** Lets the clock of a Redis go wrong by the seconds in the file that is returned. */
async function restartWithShiftedClock(redis: Awaited<ReturnType<typeof startRedis>>): Promise<string> {
  const dir = tempDir()
  const [source, library, offset] = [join(dir, 'clock.c'), join(dir, 'clock.so'), join(dir, 'offset')]
  writeFileSync(source, CLOCK_SOURCE)
  writeFileSync(offset, '0')
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source])
  await redis.stop()
  Object.assign(process.env, { LD_PRELOAD: library, CLOCK_OFFSET_FILE: offset })
  const started = redis.start()
  // The process was made in the call; nothing else is to inherit this.
  delete process.env.LD_PRELOAD
  delete process.env.CLOCK_OFFSET_FILE
  await started
  return offset
}
