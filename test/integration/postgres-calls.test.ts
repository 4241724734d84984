import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createPostgresHandler } from '../../src/handlers/builtin/postgres/index.ts'
import { storingOf } from '../../src/handlers/builtin/postgres/store-event.ts'
import { normaliseHamsa } from '../../src/sources/hamsa/normalise.ts'
import type { WebhookEvent } from '../../src/sources/sources.ts'
import { callEvent, endedCall } from '../support/calls.ts'
import { HOSTILE_IDS } from '../support/hostile-strings.ts'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import { missingPostgres, sharedPostgres } from '../support/postgres-server.ts'
import { anyJson } from '../unit/support/arbitrary-json.ts'

const postgres = sharedPostgres()
const available = needs(missingPostgres())

const STATE = `SELECT
  (SELECT json_agg(to_jsonb(calls) - 'stored_at' ORDER BY call_id) FROM callcov_receiver.calls) AS calls,
  (SELECT json_agg(to_jsonb(call_events) - 'stored_at' ORDER BY delivery_id) FROM callcov_receiver.call_events)
    AS events,
  (SELECT json_agg(call_turns ORDER BY call_id, position) FROM callcov_receiver.call_turns) AS turns`

async function openDatabase() {
  const { url, query } = await postgres.createDatabase()
  const handler = openPostgresHandler(url)
  const handle = (json: unknown, at?: string) =>
    handler.handle(json, { source: 'hamsa', ...(at !== undefined && { at }) })
  const rowsOf = (table: string, order: string) => () =>
    query(`SELECT * FROM callcov_receiver.${table} ORDER BY ${order}`)
  const calls = rowsOf('calls', 'call_id')
  const events = rowsOf('call_events', 'happened_at, delivery_id')
  const turns = rowsOf('call_turns', 'call_id, position')
  /** All that the handler has stored, without the times at which it did. */
  const state = async () => (await query(STATE))[0]
  return { url, query, handler, handle, calls, events, turns, state }
}

const CALL = 'call-1'
const at = (second: number) => new Date(Date.UTC(2026, 0, 12, 8, 0, second)).toISOString()
const happened = (second: number) => new Date(at(second))
const said = (...texts: string[]) => texts.map((text) => ({ Agent: text }))

/** An event of one call: `fields` of the envelope, and what is inside. */
function callOf(eventType: string, fields: Record<string, unknown>, content: Record<string, unknown> = {}) {
  return { eventType, callId: CALL, ...fields, data: { data: content } }
}

describe('the rows of a call', available, () => {
  it('hold what its events said', async () => {
    const { handle, calls, events, turns } = await openDatabase()
    const files = ['hamsa-call-ended.json', 'hamsa-transcription-update.json', 'hamsa-tool-executed.json']
    for (const json of files.map(sample)) await handle(json, '2026-01-12T08:18:00.123Z')
    const callId = '3f1c7f0e-5a2d-4c36-9b8e-71d0c5b4aa19'
    const { data } = sample('hamsa-call-ended.json').data as { data: Record<string, unknown> }
    const who = { project_id: 'proj_4be1f0', agent_id: 'agent_delivery_01', agent_name: 'Delivery Desk' }
    const found = {
      conversation_id: 'conv-6a0d-42f7-b11e',
      recording_url: 'https://storage.tryhamsa.com/recordings/example-conv-6a0d.mp3',
      outcome: data.outcomeResult,
    }
    const deliveryId = expect.stringMatching(/^[0-9a-f]{64}$/) as string
    expect(await calls()).toEqual([
      {
        call_id: callId,
        started_at: null,
        answered_at: null,
        ended_at: new Date('2026-01-12T08:17:44.310Z'),
        ended: true,
        ...who,
        ...found,
        transcript_delivery_id: deliveryId,
        received_at: new Date('2026-01-12T08:18:00.123Z'),
        stored_at: expect.any(Date) as Date,
      },
    ])
    expect(await events()).toMatchObject([
      {
        type: 'transcription.update',
        data: { text: 'أريد تغيير موعد التوصيل إلى يوم الخميس.' },
        turns: null,
      },
      { type: 'tool.executed', data: { toolName: 'reschedule_delivery' }, outcome: null },
      {
        delivery_id: deliveryId,
        call_id: callId,
        type: 'call.ended',
        happened_at: new Date('2026-01-12T08:17:44.310Z'),
        received_at: new Date('2026-01-12T08:18:00.123Z'),
        ...who,
        ...found,
        turns: 5,
        data,
        envelope: { eventType: 'call.ended', callId, agentName: 'Delivery Desk' },
      },
    ])
    const transcript = data.transcription as Record<string, string>[]
    expect(await turns()).toEqual(
      transcript.map((item, index) => {
        const [speaker, text] = Object.entries(item)[0] ?? []
        return { call_id: callId, position: index + 1, speaker, text }
      }),
    )
  })

  it('say when it was started, answered and ended', async () => {
    const { handle, calls, turns } = await openDatabase()
    await handle(callOf('call.started', { timestamp: at(1) }))
    expect(await calls()).toMatchObject([{ started_at: happened(1), ended: false, agent_id: null }])
    await handle(callOf('call.answered', { timestamp: at(2) }))
    await handle(callOf('call.ended', { timestamp: at(3) }))
    expect(await calls()).toMatchObject([
      { started_at: happened(1), answered_at: happened(2), ended_at: happened(3), ended: true },
    ])
    expect(await turns()).toEqual([])
  })

  it('are made of the least that an event may be', async () => {
    const { handle, calls, events } = await openDatabase()
    await handle({ eventType: 'call.ended', callId: 7 })
    expect(await calls()).toMatchObject([{ call_id: '7', ended: true, ended_at: null, outcome: null }])
    expect(await events()).toMatchObject([{ data: null, happened_at: null, turns: null }])
  })
})

describe('of several events of one call', available, () => {
  const newest = callOf('call.ended', { timestamp: at(9), agentName: 'newest' })
  const older = callOf('call.ended', { timestamp: at(5), agentName: 'older' })

  it.each([
    {
      rule: 'the newer says what is known',
      events: [newest, older],
      expected: { agent_name: 'newest', ended_at: happened(9) },
    },
    {
      rule: 'one that does not say something takes nothing away',
      events: [callOf('call.started', { timestamp: at(1), agentName: 'known' }), callOf('call.ended', {})],
      expected: { agent_name: 'known', started_at: happened(1), ended: true, ended_at: null },
    },
    {
      rule: 'one that comes between is newer than what it replaces',
      events: [
        callOf('call.started', { timestamp: at(1), agentName: 'first' }),
        callOf('call.answered', { timestamp: at(2), agentName: 'second' }),
        callOf('call.ended', { timestamp: at(3) }),
      ],
      expected: { agent_name: 'second', ended_at: happened(3) },
    },
    {
      rule: 'one that does not say when yields to one that does',
      events: [callOf('call.ended', { agentName: 'no time' }), older],
      expected: { agent_name: 'older' },
    },
  ])('$rule, whatever the order', async ({ events, expected }) => {
    const { handler, handle, calls } = await openDatabase()
    for (const order of permutationsOf(events)) {
      for (const json of order) await handle(json)
      expect(await calls()).toMatchObject([expected])
      expect(await handler.forget(CALL)).toBe(1)
    }
  })

  it('which all happened at once, the later received wins', async () => {
    const { handler, handle, calls } = await openDatabase()
    const events = ['a', 'b'].map((agentName) => callOf('call.ended', { timestamp: at(1), agentName }))
    const received = events.map((json, index) => ({ json, received: at(10 + index) }))
    for (const order of permutationsOf(received)) {
      for (const event of order) await handle(event.json, event.received)
      expect(await calls()).toMatchObject([{ agent_name: 'b', received_at: happened(10) }])
      await handler.forget(CALL)
    }
  })

  it('the transcript is whole that of the newest which has one', async () => {
    const { handler, handle, turns } = await openDatabase()
    const ended = (second: number, transcription: unknown) =>
      callOf('call.ended', { timestamp: at(second) }, { transcription })
    const events = [
      ended(1, said('long', 'long', 'long')),
      ended(2, said('short')),
      ended(3, null),
      callOf('transcription.update', { timestamp: at(4) }, { transcription: said('no transcript') }),
    ]
    for (const order of permutationsOf(events)) {
      for (const json of order) await handle(json)
      expect(await turns()).toEqual([{ call_id: CALL, position: 1, speaker: 'Agent', text: 'short' }])
      await handler.forget(CALL)
    }
    await handle(ended(1, said('long')))
    await handle(ended(2, []))
    expect(await turns()).toEqual([])
  })

  it('all five, in each of the 120 orders the end is the same', async () => {
    const { handler, handle, state } = await openDatabase()
    const events = [
      callOf('call.started', { timestamp: at(1), projectId: 'p', agentName: 'old' }),
      callOf('call.answered', { timestamp: at(2), agentId: 'a' }),
      callOf('transcription.update', { timestamp: at(3), agentName: 'new' }, { text: 'hello' }),
      callOf('tool.executed', { timestamp: null, agentName: 'nowhere', projectId: 'q' }, { toolName: 't' }),
      callOf(
        'call.ended',
        { timestamp: at(5) },
        { transcription: said('a', 'b'), outcomeResult: { ok: true } },
      ),
    ]
    const ends = new Set<string>()
    for (const order of permutationsOf(events)) {
      for (const json of order) await handle(json)
      ends.add(JSON.stringify(await state()))
      await handler.forget(CALL)
    }
    expect(ends.size).toBe(1)
    expect(JSON.parse([...ends][0] ?? '')).toMatchObject({
      calls: [{ project_id: 'p', agent_id: 'a', agent_name: 'new', ended: true, outcome: { ok: true } }],
    })
  })

  /** Times, names and contents of which several events share some, and lack others. */
  const anyEvent = fc
    .record({
      eventType: fc.constantFrom(
        'call.started',
        'call.answered',
        'tool.executed',
        'call.ended',
        'call.ended',
      ),
      timestamp: fc.constantFrom(null, at(1), at(2), at(3)),
      received: fc.constantFrom(at(10), at(11)),
      projectId: fc.constantFrom(null, 'p', 'q'),
      agentId: fc.constantFrom(null, 'a', 'b'),
      agentName: fc.option(fc.string({ maxLength: 3 })),
      conversationId: fc.constantFrom(null, 'x', 'y'),
      transcription: fc.option(fc.array(fc.string({ maxLength: 3 }), { maxLength: 4 })),
      outcomeResult: fc.option(fc.dictionary(fc.constantFrom('k', 'l'), fc.boolean())),
    })
    .map(({ received, eventType, timestamp, projectId, agentId, agentName, transcription, ...content }) => ({
      received,
      json: callOf(
        eventType,
        { timestamp, projectId, agentId, agentName },
        { ...content, transcription: transcription && said(...transcription) },
      ),
    }))
  /** The same events twice: in another order, and some of them again and again. */
  const twoHistories = fc
    .uniqueArray(anyEvent, { minLength: 2, maxLength: 6, selector: ({ json }) => JSON.stringify(json) })
    .chain((events) => {
      const shuffled = fc.shuffledSubarray(events, { minLength: events.length })
      const again = fc.array(fc.constantFrom(...events), { maxLength: 4 })
      return fc.tuple(fc.constant(events), shuffled, again)
    })

  it('any, in any order, again and again or all at once, the end is the same', async () => {
    const { url, handler, handle, state } = await openDatabase()
    const other = openPostgresHandler(url)
    await fc.assert(
      fc.asyncProperty(twoHistories, fc.boolean(), async ([events, shuffled, again], atOnce) => {
        for (const { json, received } of events) await handle(json, received)
        const end = await state()
        await handler.forget(CALL)
        const runs = [...shuffled, ...again]
        if (atOnce) {
          await Promise.all(
            runs.map(({ json, received }, index) =>
              (index % 2 === 0 ? handler : other).handle(json, { source: 'hamsa', at: received }),
            ),
          )
        } else for (const { json, received } of runs) await handle(json, received)
        expect(await state()).toEqual(end)
        await handler.forget(CALL)
      }),
      { numRuns: 100 },
    )
  })

  it('hundreds, handled at once by several workers, none is lost', async () => {
    const { url, handle, calls, events } = await openDatabase()
    const other = openPostgresHandler(url)
    const updates = Array.from({ length: 300 }, (_, index) =>
      callOf('transcription.update', { timestamp: at(index), agentName: `name ${index}` }, { index }),
    )
    const shuffled = [...updates.slice(170), ...updates.slice(0, 170)]
    await Promise.all(shuffled.flatMap((json) => [handle(json), other.handle(json, { source: 'hamsa' })]))
    expect(await events()).toHaveLength(300)
    expect(await calls()).toMatchObject([{ agent_name: 'name 299' }])
  })
})

describe('what PostgreSQL cannot hold of a call', available, () => {
  it('is stored readable', async () => {
    const { handle, calls, events, turns } = await openDatabase()
    const text = 'a\u0000b\ud800c😀'
    const shown = 'a␀b\ufffdc😀'
    const content = {
      conversationId: text,
      conversationRecording: text,
      transcription: [{ [text]: text }],
      outcomeResult: { [text]: [text] },
    }
    const json = { ...endedCall(content), projectId: text, agentId: text, agentName: text, [text]: text }
    await handle(json)
    const columns = {
      project_id: shown,
      agent_id: shown,
      agent_name: shown,
      conversation_id: shown,
      recording_url: shown,
      outcome: { [shown]: [shown] },
    }
    expect(await calls()).toMatchObject([columns])
    expect(await events()).toMatchObject([
      { ...columns, data: { conversationId: shown }, envelope: { [shown]: shown } },
    ])
    expect(await turns()).toMatchObject([{ speaker: shown, text: shown }])
  })

  it('is cut where it is nested deeper than a hundred levels', async () => {
    const { handle, calls, events } = await openDatabase()
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    await handle(
      `{"callId":"c","eventType":"call.ended","unknown":${deep},"data":{"data":{"x":${deep},"outcomeResult":${deep}}}}`,
    )
    const [row] = await calls()
    expect(JSON.stringify(row?.outcome)).toBe(
      `${'{"a":'.repeat(100)}"(nested too deep to be stored)"${'}'.repeat(100)}`,
    )
    expect(await events()).toHaveLength(1)
  })

  it('includes the year 0, which is no time', async () => {
    const { handle, calls, events } = await openDatabase()
    await handle(callOf('call.ended', { timestamp: '0000-01-01T00:00:00Z' }))
    expect(await calls()).toMatchObject([{ ended: true, ended_at: null }])
    expect(await events()).toMatchObject([{ envelope: { timestamp: '0000-01-01T00:00:00Z' } }])
  })

  it('hostile texts each make a call of their own, come back where they can, and are erased by it alone', async () => {
    const { handler, handle, query, turns } = await openDatabase()
    await Promise.all(
      HOSTILE_IDS.map((text) =>
        handle({
          ...endedCall({ transcription: [{ Agent: text }] }),
          callId: text,
          agentName: text,
        }),
      ),
    )
    expect(await query('SELECT FROM callcov_receiver.calls')).toHaveLength(HOSTILE_IDS.length)
    const plain = HOSTILE_IDS.filter((text) => text.isWellFormed() && !text.includes('\u0000'))
    const names = await query('SELECT agent_name FROM callcov_receiver.calls')
    expect(names.map((row) => row.agent_name)).toEqual(expect.arrayContaining(plain))
    expect((await turns()).map(({ text }) => text)).toEqual(expect.arrayContaining(plain))
    for (const id of HOSTILE_IDS) expect([id, await handler.forget(id)]).toEqual([id, 1])
    expect(await query('SELECT FROM callcov_receiver.call_events')).toEqual([])
  })

  it('no JSON that becomes an event fails', async () => {
    const { handle, events } = await openDatabase()
    const anyCall = fc
      .record({
        transcription: fc.array(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer()))),
        outcomeResult: anyJson,
        conversationId: fc.option(fc.oneof(fc.string(), fc.double({ noNaN: true }))),
        more: anyJson,
      })
      .map((content) => ({ ...endedCall(content), callId: randomUUID(), more: content.more }))
    let stored = 0
    await fc.assert(
      fc.asyncProperty(anyCall, async (json) => {
        const body = JSON.stringify(json)
        if (!normaliseHamsa(JSON.parse(body)).ok) return
        await handle(body)
        stored += 1
      }),
      { numRuns: 300 },
    )
    expect(stored).toBeGreaterThan(0)
    expect(await events()).toHaveLength(stored)
  })
})

describe('forget', available, () => {
  it('erases the call with its events and its transcript, and no other', async () => {
    const { handler, handle, state } = await openDatabase()
    await handle(sample('hamsa-call-ended.json'))
    const before = await state()
    await handle({ ...callEvent('call.started', {}), callId: CALL })
    await handle({ ...endedCall(), callId: CALL })
    expect(await handler.forget(CALL)).toBe(1)
    expect(await state()).toEqual(before)
    expect(await handler.forget(CALL)).toBe(0)
  })

  it('erases an analysis and a call that have the same id, which share no row', async () => {
    const { handler, handle, query, state } = await openDatabase()
    await handler.handle({ ...sample('callcov-completed.json'), id: CALL })
    await handle({ ...endedCall(), callId: CALL })
    expect(await query('SELECT FROM callcov_receiver.analyses')).toHaveLength(1)
    expect(await handler.forget(CALL)).toBe(2)
    expect(await query('SELECT FROM callcov_receiver.analyses')).toEqual([])
    expect(await state()).toEqual({ calls: null, events: null, turns: null })
  })

  it('of a call and an event of it at the same time leave the event or nothing, and no half', async () => {
    const { handler, handle, query } = await openDatabase()
    for (let round = 0; round < 20; round += 1) {
      await handle(callOf('call.started', { timestamp: at(1) }))
      await Promise.all([handle(callOf('call.ended', { timestamp: at(2) })), handler.forget(CALL)])
      expect([0, 1]).toContain((await query('SELECT FROM callcov_receiver.call_events')).length)
      await handler.forget(CALL)
    }
  })
})

describe('an event of a source that has no tables', () => {
  it('is done with, by a line in the log, and needs no database', async () => {
    const lines: string[] = []
    const log = pino({ level: 'debug' }, { write: (line) => void lines.push(line) })
    const event = { source: 'courier', type: 'parcel.delivered', raw: {} } as unknown as WebhookEvent
    const delivery = { id: 'd', receivedAt: at(1), bytes: 2, sha256: '', origin: 'webhook' } as const
    expect(storingOf(event, delivery)).toBeUndefined()
    const handler = createPostgresHandler({ databaseUrl: () => 'postgres://user@127.0.0.1:1/nowhere' })
    await handler.handle(event, {
      delivery: { ...delivery, body: () => Buffer.from('{}') },
      attempt: 1,
      replay: 0,
      signal: new AbortController().signal,
      log,
    })
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: 20, msg: 'not stored: there are no tables for events of this source' },
    ])
  })
})

function permutationsOf<Item>(items: readonly Item[]): Item[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, index) =>
    permutationsOf([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  )
}
