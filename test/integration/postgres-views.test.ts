import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import { missingPostgres, sharedPostgres } from '../support/postgres-server.ts'

const postgres = sharedPostgres()
const available = needs(missingPostgres())

async function openDatabase() {
  const database = await postgres.createDatabase()
  const handler = openPostgresHandler(database.url)
  const flags = () =>
    database.query('SELECT * FROM callcov_receiver.compliance_flags ORDER BY received_at, analysis_id')
  const quality = () =>
    database.query('SELECT * FROM callcov_receiver.agent_quality ORDER BY day, agent_id, livemode')
  return { ...database, handler, flags, quality }
}

/** A completed call of one agent on one day. */
const call = (id: string, results: unknown, fields: Record<string, unknown> = {}) => ({
  id,
  status: 'completed',
  created: 1_762_425_000,
  call: { agent_id: 'dana' },
  results,
  ...fields,
})

describe('the view compliance_flags', available, () => {
  it('lists the calls with flags and names the checks that were flagged', async () => {
    const { handler, flags } = await openDatabase()
    for (const file of [
      'callcov-completed.json',
      'callcov-completed-es.json',
      'callcov-event-completed.json',
      'callcov-failed.json',
    ]) {
      await handler.handle(sample(file))
    }
    expect(await flags()).toMatchObject([
      {
        analysis_id: 'anl_7Qm2xKc41v',
        flags: ['identity_verification', 'mandatory_disclosures', 'prohibited_phrases'],
      },
      {
        analysis_id: 'e2b0c6a8-93d7-4b1e-8f42-5a7d90c3e164',
        agent_id: 'agente_iñigo',
        contact_id: 'cliente_5521',
        livemode: false,
        duration_seconds: 43,
        created_at: new Date('2025-11-07T10:31:00Z'),
        flags: ['mandatory_disclosures', 'purpose_declaration'],
        compliance: expect.any(Object) as object,
      },
    ])
  })

  it.each([
    ['a flag outside of any check', { flagged: true }, ['compliance']],
    ['a missing disclosure outside of any check', { missing_disclosures: ['x'] }, ['compliance']],
    ['a list of checks', [{ flagged: false }, { flagged: true }], ['compliance']],
    ['a flag deep inside a check', { a: { b: [{ c: { flagged: true } }] }, d: {} }, ['a']],
    [
      'several checks in the order of their names',
      { b: { flagged: true }, a: { flagged: true } },
      ['a', 'b'],
    ],
  ])('finds %s', async (_case, compliance, expected) => {
    const { handler, flags } = await openDatabase()
    await handler.handle(call('a', { compliance }))
    expect(await flags()).toMatchObject([{ flags: expected }])
  })

  it.each([
    [null],
    [true],
    ['flagged'],
    [7],
    [[]],
    [{}],
    [{ flagged: false }],
    [{ flagged: 'true' }],
    [{ flagged: 1 }],
    [{ a: { flagged: null } }],
    [{ a: { missing_disclosures: [] } }],
    [{ a: { missing_disclosures: null } }],
    [{ a: { missing_disclosures: [null] } }],
  ])('takes %j for no flag', async (compliance) => {
    const { handler, flags } = await openDatabase()
    await handler.handle(call('a', { compliance }))
    expect(await flags()).toEqual([])
  })
})

describe('the view agent_quality', available, () => {
  it('has a row per agent and day, with the averages of all that is a number or true or false', async () => {
    const { handler, quality } = await openDatabase()
    const results = (count: number, present: boolean, score: number) => ({
      quality: {
        empathy: { count, flagged: !present },
        greeting: { present, note: 'a text' },
        score: count * 10,
      },
      coaching: { customer_effort_score: score, recommendations: [{ priority: 'low' }] },
    })
    const audio = (seconds: number) => ({ audio: { duration_seconds: seconds } })
    await handler.handle(call('a', results(1, true, 2), audio(60)))
    await handler.handle(call('b', results(2, false, 5), audio(61)))
    await handler.handle(call('c', results(4, true, 4), { ...audio(62), created: 1_762_425_000 + 86_400 }))
    await handler.handle(call('d', { quality: {} }, { call: { agent_id: 'eve' }, livemode: true }))
    await handler.handle({ ...call('e', null), status: 'failed' })
    expect(await quality()).toEqual([
      {
        day: new Date(2025, 10, 6),
        agent_id: 'dana',
        livemode: null,
        calls: '2',
        flagged_calls: '1',
        average_seconds: '60.5',
        measures: {
          'quality.empathy.count': 1.5,
          'quality.empathy.flagged': 0.5,
          'quality.greeting.present': 0.5,
          'quality.score': 15,
          'coaching.customer_effort_score': 3.5,
        },
      },
      expect.objectContaining({
        agent_id: 'eve',
        livemode: true,
        calls: '1',
        flagged_calls: '0',
        measures: {},
      }) as object,
      expect.objectContaining({ agent_id: 'dana', day: new Date(2025, 10, 7), calls: '1' }) as object,
    ])
  })

  it('counts a call by the day it was received on when nobody said when it was made, and one without agent', async () => {
    const { handler, quality } = await openDatabase()
    await handler.handle({ id: 'a', status: 'completed', results: {} }, { at: '2025-03-01T23:59:59.999Z' })
    expect(await quality()).toMatchObject([{ agent_id: null, day: new Date(2025, 2, 1), calls: '1' }])
  })
})

describe('both views', available, () => {
  /** Any JSON, with the words that the views look for in any place. */
  const anyResults = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(true, false, null, 'true', '', 0, 1e308, -1e308, 5e-324, 'NaN', 'Infinity'),
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('value'), { maxLength: 3 }),
      tie('object'),
    ),
    object: fc.dictionary(
      fc.constantFrom(
        'compliance',
        'quality',
        'coaching',
        'flagged',
        'missing_disclosures',
        'count',
        '__proto__',
        '',
        '.',
        '"',
      ),
      tie('value'),
      { maxKeys: 5 },
    ),
  })).object

  it('can be read whatever the results hold', async () => {
    const { handler, flags, quality, query } = await openDatabase()
    let sent = 0
    await fc.assert(
      fc.asyncProperty(
        anyResults,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        async (results, seconds) => {
          sent += 1
          await handler.handle(call(String(sent), results, { audio: { duration_seconds: seconds } }))
        },
      ),
      { numRuns: 500 },
    )
    const [row] = await query('SELECT count(*) FROM callcov_receiver.analyses')
    expect(row?.count).toBe(String(sent))
    expect((await flags()).length).toBeGreaterThan(0)
    expect(await quality()).toMatchObject([{ agent_id: 'dana', calls: String(sent) }])
  })
})
