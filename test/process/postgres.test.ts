import { describe, expect, it } from 'vitest'
import { CALL_EVENTS } from '../../src/sources/hamsa/events.ts'
import { HAMSA_TOKEN } from '../support/calls.ts'
import { jsonOf, runCommand } from '../support/command.ts'
import { post, SECRET, signedDelivery } from '../support/deliveries.ts'
import { needs } from '../support/needs.ts'
import { countRows, missingPostgres, sharedPostgres, waitForRows } from '../support/postgres-server.ts'
import { startRedis } from '../support/redis-server.ts'
import { startService } from '../support/service.ts'
import { waitFor } from '../support/wait.ts'

const postgres = sharedPostgres()

describe('with DATABASE_URL', needs(missingPostgres()), () => {
  it('the service stores what is sent to it', async () => {
    const database = await postgres.createDatabase()
    const service = await startService({ env: { DATABASE_URL: database.url } })
    const send = async (...args: string[]) =>
      await runCommand(['send', '--url', service.webhookUrl, ...args], { CALLCOV_WEBHOOK_SECRET: SECRET })
    expect(await send('--id', 'mine', '--segments', '7')).toMatchObject({ code: 0 })
    expect(await send('--event', 'failed')).toMatchObject({ code: 0 })
    await waitForRows(database, 2)
    expect(await countRows(database, 'segments')).toBe(7)
    expect(await countRows(database, 'agent_quality')).toBe(1)
    const [row] = await database.query(
      "SELECT status FROM callcov_receiver.analyses WHERE analysis_id = 'mine'",
    )
    expect(row).toEqual({ status: 'completed' })
    await waitFor(
      'the log lines',
      () => service.logLines({ handler: 'postgres', msg: 'handled' }).length === 2,
    )
    expect(service.logLines({ msg: 'database schema brought up to date' })).toHaveLength(1)

    const env = { DATA_DIR: service.dataDir, DATABASE_URL: database.url }
    expect(await runCommand(['forget', 'mine', '--yes'], env)).toMatchObject({ code: 0 })
    expect(await countRows(database)).toBe(1)
    expect(await countRows(database, 'segments')).toBe(0)
  })

  it("the service stores Hamsa's calls too", async () => {
    const database = await postgres.createDatabase()
    const service = await startService({
      env: { DATABASE_URL: database.url, HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN },
    })
    const url = `${service.url}/webhooks/hamsa`
    const send = async (event: string) =>
      await runCommand(
        ['send', '--source', 'hamsa', '--event', event, '--url', url, '--id', 'mine', '--segments', '7'],
        { HAMSA_WEBHOOK_TOKEN: HAMSA_TOKEN },
      )
    for (const event of CALL_EVENTS) expect(await send(event)).toMatchObject({ code: 0 })
    await waitFor('the events', async () => (await countRows(database, 'call_events')) === CALL_EVENTS.length)
    expect(await countRows(database, 'call_turns')).toBe(7)
    expect(
      await database.query(
        `SELECT call_id, agent_name, ended, started_at < answered_at AND answered_at < ended_at AS in_order,
           outcome ->> 'resolved' AS resolved
         FROM callcov_receiver.calls`,
      ),
    ).toEqual([
      { call_id: 'mine', agent_name: 'Harbour Broadband', ended: true, in_order: true, resolved: 'true' },
    ])

    const env = { DATA_DIR: service.dataDir, DATABASE_URL: database.url }
    // The log handler may still be at work.
    await waitFor(
      'the call to be forgotten',
      async () => (await runCommand(['forget', 'mine', '--yes'], env)).code === 0,
    )
    for (const table of ['calls', 'call_events', 'call_turns']) {
      expect([table, await countRows(database, table)]).toEqual([table, 0])
    }
  })

  it('two services on one Redis start together and store everything', async () => {
    const [redis, database] = [await startRedis(), await postgres.createDatabase()]
    const env = { REDIS_URL: redis.url, DATABASE_URL: database.url }
    const services = await Promise.all([startService({ env }), startService({ env })])
    for (const service of services) {
      for (let sent = 0; sent < 20; sent += 1) await post(service.webhookUrl, signedDelivery())
    }
    await waitForRows(database, 40)
    expect(await jsonOf(['deliveries'], { REDIS_URL: redis.url })).toEqual([])
    const made = services.flatMap((service) =>
      service.logLines({ msg: 'database schema brought up to date' }),
    )
    expect(made).toHaveLength(1)
  })

  it('a wrong password stops no other handler, and is told without the password', async () => {
    const database = await postgres.createDatabase()
    const url = postgres.server().tcpUrlOf(database.name, 'postgres', 'wrong-password')
    const service = await startService({ env: { DATABASE_URL: url } })
    await waitFor('readiness', async () => (await fetch(`${service.url}/health/ready`)).ok)
    await post(service.webhookUrl, signedDelivery())
    await waitFor('another handler', () => service.logLines({ handler: 'log', msg: 'handled' }).length === 1)
    const failures = () => service.logLines({ handler: 'postgres', msg: 'not handled' })
    await waitFor('the failure', () => failures().length > 0)
    expect(failures()[0]?.reason).toMatch(/PostgreSQL refuses the user or the password of DATABASE_URL/)
    expect(service.output).not.toContain('wrong-password')
  })
})
