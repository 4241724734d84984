import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import { countRows, missingPostgres, startPostgres } from '../support/postgres-server.ts'

const page = readFileSync(new URL('../../docs/postgres.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```sql\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
const exampleWith = (text: string) => examples.find((example) => example.includes(text)) ?? ''

it('what docs/postgres.md shows can be run as it stands there', needs(missingPostgres()), async () => {
  const server = await startPostgres()
  const { name, query } = await server.createDatabase()
  const asRole = (role: string) => openPostgresHandler(server.tcpUrlOf(name, role, 'secret'))
  await query(exampleWith('AUTHORIZATION receiver'))
  const recent = { created: Math.floor(Date.now() / 1000) - 3600, livemode: true }
  await asRole('receiver').handle({ ...sample('callcov-completed-es.json'), ...recent })
  await query(exampleWith('TO writer'))
  await asRole('writer').handle(sample('callcov-completed.json'))
  await asRole('writer').handle(sample('hamsa-call-ended.json'), {
    source: 'hamsa',
    at: '2026-01-12T08:18:00Z',
  })
  await query(exampleWith('TO analyst'))

  expect(await query(exampleWith('.segments'))).toHaveLength(10)
  expect(await query(exampleWith('.calls'))).toEqual([
    { agent_name: 'Delivery Desk', calls: '1', resolved: '1', sentiment: '0.74' },
  ])
  expect(await query(exampleWith('.call_turns'))).toHaveLength(5)
  expect(await query(exampleWith('.compliance_flags'))).toMatchObject([{ agent_id: 'agente_iñigo' }])
  expect(await query(exampleWith('.agent_quality'))).toEqual([
    { week: new Date(2025, 10, 3), calls: '1', flagged: '0', effort: '2.00' },
  ])
  const mayRead =
    "SELECT has_table_privilege('analyst', 'callcov_receiver.agent_quality', 'SELECT') AS granted"
  expect(await query(mayRead)).toEqual([{ granted: true }])
  await query(exampleWith('DELETE FROM'))
  expect(await countRows({ query })).toBe(1)
  expect(await countRows({ query }, 'calls')).toBe(1)
  expect(examples).toHaveLength(9)
})

it('docs/postgres.md names every column of the tables', needs(missingPostgres()), async () => {
  const server = await startPostgres()
  const { url, query } = await server.createDatabase()
  await openPostgresHandler(url).start()
  const columns = await query(
    `SELECT column_name FROM information_schema.columns
     WHERE table_schema = 'callcov_receiver' AND table_name IN ('analyses', 'segments', 'calls', 'call_events', 'call_turns')`,
  )
  expect(columns.length).toBeGreaterThan(40)
  for (const { column_name: column } of columns) expect(page).toContain(`\`${String(column)}\``)
})
