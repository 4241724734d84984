import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normaliseCallcov } from '../../src/sources/callcov/normalise.ts'
import { completedAnalysis } from '../support/deliveries.ts'
import { HOSTILE_IDS } from '../support/hostile-strings.ts'
import { needs } from '../support/needs.ts'
import { openPostgresHandler, sample } from '../support/postgres-handler.ts'
import { missingPostgres, sharedPostgres } from '../support/postgres-server.ts'
import { analysisWithAnyFields } from '../unit/support/arbitrary-json.ts'

const postgres = sharedPostgres()
const available = needs(missingPostgres())

async function openDatabase() {
  const database = await postgres.createDatabase()
  const handler = openPostgresHandler(database.url)
  const analyses = () => database.query('SELECT * FROM callcov_receiver.analyses ORDER BY analysis_id')
  const segments = () =>
    database.query('SELECT * FROM callcov_receiver.segments ORDER BY analysis_id, position')
  return { ...database, handler, analyses, segments }
}

describe('the row of an analysis', available, () => {
  it('has the columns that the documents name, and the results whole', async () => {
    const { handler, analyses, segments } = await openDatabase()
    const json = sample('callcov-completed-es.json')
    await handler.handle(json, { at: '2025-11-07T10:32:50.123Z' })
    const { results, transcript } = json as {
      results: Record<string, unknown>
      transcript: { text: string; segments: { speaker: string; text: string; start: number; end: number }[] }
    }
    expect(await analyses()).toEqual([
      {
        analysis_id: 'e2b0c6a8-93d7-4b1e-8f42-5a7d90c3e164',
        status: 'completed',
        partial: false,
        livemode: false,
        created_at: new Date('2025-11-07T10:31:00Z'),
        received_at: new Date('2025-11-07T10:32:50.123Z'),
        delivery_id: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        agent_id: 'agente_iñigo',
        contact_id: 'cliente_5521',
        duration_seconds: 43,
        audio_url: 'https://s3.amazonaws.com/callcov/example/e2b0c6a8.mp3',
        audio_format: 'mp3',
        language: 'es',
        transcript: transcript.text,
        error_message: null,
        error_code: null,
        error_details: null,
        results,
        compliance: results.compliance,
        quality: results.quality,
        coaching: results.coaching,
        envelope: {
          id: json.id,
          object: 'analysis',
          created: 1_762_511_460,
          status: 'completed',
          livemode: false,
          call: json.call,
          audio: json.audio,
          metadata: json.metadata,
        },
        stored_at: expect.any(Date) as Date,
      },
    ])
    const rows = await segments()
    expect(rows).toHaveLength(8)
    expect(rows).toEqual(
      transcript.segments.map(({ speaker, text, start, end }, index) => ({
        analysis_id: json.id,
        position: index + 1,
        speaker,
        text,
        start_seconds: start,
        end_seconds: end,
      })),
    )
  })

  it('has the error of a failed analysis, in either shape', async () => {
    const { handler, analyses } = await openDatabase()
    await handler.handle(sample('callcov-failed.json'))
    await handler.handle(sample('callcov-event-failed.json'))
    expect(await analyses()).toMatchObject([
      {
        status: 'failed',
        partial: false,
        error_message: 'Audio could not be decoded: the stream ended after 0 frames',
        error_code: null,
        results: null,
        quality: null,
        agent_id: 'agent_0092',
      },
      {
        status: 'failed',
        error_message: 'The uploaded file is not a supported audio format',
        error_code: 'invalid_file_format',
        error_details: { provided_format: 'pdf' },
        agent_id: null,
        created_at: null,
      },
    ])
  })

  it('says when there were no results', async () => {
    const { handler, analyses, segments } = await openDatabase()
    await handler.handle({ id: 'a', status: 'completed' })
    expect(await analyses()).toMatchObject([
      { partial: true, results: {}, compliance: null, transcript: null },
    ])
    expect(await segments()).toEqual([])
  })

  it('is one, however often and by however many the same delivery is handled', async () => {
    const { handler, analyses, segments } = await openDatabase()
    const json = sample('callcov-completed.json')
    await Promise.all(Array.from({ length: 20 }, () => handler.handle(json)))
    const first = [await analyses(), await segments()]
    await handler.handle(json)
    const strip = (rows: Record<string, unknown>[]) => rows.map(({ stored_at: _at, ...row }) => row)
    expect(strip(await analyses())).toEqual(strip(first[0] ?? []))
    expect(await segments()).toEqual(first[1])
    expect(first.map((rows) => rows.length)).toEqual([1, 10])
  })
})

describe('of several deliveries of one analysis', available, () => {
  const EARLIER = '2025-11-07T10:00:00.000Z'
  const LATER = '2025-11-07T10:00:00.001Z'
  type Sent = readonly ['completed' | 'failed', string]

  /** A delivery that can be told by its agent and by its segments. */
  function deliveryOf([status, at]: Sent) {
    const name = `${status} ${at}`
    const segments = Array.from({ length: at === LATER ? 1 : 3 }, () => ({ speaker: name, text: name }))
    const error = status === 'failed' ? { error_message: name } : {}
    return { id: 'anl', status, call: { agent_id: name }, transcript: { segments }, results: {}, ...error }
  }

  it.each<{ winner: Sent; loser: Sent; rule: string }>([
    { winner: ['completed', LATER], loser: ['completed', EARLIER], rule: 'the later completion wins' },
    { winner: ['failed', LATER], loser: ['failed', EARLIER], rule: 'the later failure wins' },
    { winner: ['completed', LATER], loser: ['failed', EARLIER], rule: 'a completion overwrites a failure' },
    { winner: ['completed', EARLIER], loser: ['failed', LATER], rule: 'a failure overwrites no completion' },
  ])('$rule, whichever is handled first, retried or replayed', async ({ winner, loser }) => {
    for (const order of [
      [winner, loser],
      [loser, winner],
      [winner, loser, winner],
      [loser, winner, loser, loser],
    ]) {
      const { handler, analyses, segments } = await openDatabase()
      for (const sent of order) await handler.handle(deliveryOf(sent), { at: sent[1] })
      const name = winner.join(' ')
      expect(await analyses()).toMatchObject([
        { status: winner[0], agent_id: name, error_message: winner[0] === 'failed' ? name : null },
      ])
      const speakers = (await segments()).map(({ speaker }) => speaker)
      expect(speakers).toEqual(deliveryOf(winner).transcript.segments.map(({ speaker }) => speaker))
    }
  })

  it('one wins whole, segments included, when all are handled at once', async () => {
    const { handler, analyses, segments } = await openDatabase()
    const times = Array.from({ length: 30 }, (_, ms) => `2025-11-07T10:00:00.${String(ms).padStart(3, '0')}Z`)
    const sent = times.flatMap((at, index) => {
      const transcript = {
        segments: Array.from({ length: (index * 7) % 11 }, () => ({ speaker: at, text: at })),
      }
      return (['completed', 'failed'] as const).map((status) => ({
        at,
        json: { id: 'anl', status, transcript },
      }))
    })
    const shuffled = [...sent.slice(20), ...sent.slice(0, 20)]
    await Promise.all(shuffled.map(({ json, at }) => handler.handle(json, { at })))
    const last = times.at(-1) ?? ''
    expect(await analyses()).toMatchObject([{ status: 'completed', received_at: new Date(last) }])
    expect((await segments()).map(({ speaker }) => speaker)).toEqual(
      Array.from({ length: (29 * 7) % 11 }, () => last),
    )
  })
})

describe('what PostgreSQL cannot hold', available, () => {
  it('is stored readable: U+0000 as its symbol, half a surrogate pair as the replacement character', async () => {
    const { handler, analyses, segments } = await openDatabase()
    const text = 'a\u0000b\ud800c😀'
    const shown = 'a␀b\ufffdc😀'
    const body = JSON.stringify({
      id: 'anl',
      status: 'completed',
      call: { agent_id: text, contact_id: text },
      audio: { url: text, format: text },
      transcript: { text, language: text, segments: [{ speaker: text, text }] },
      results: {
        quality: { [text]: [text, { deep: text }] },
        infinite: 'INFINITE',
      },
      [text]: text,
    })
    await handler.handle(body.replace('"INFINITE"', '[1e999,-1e999]'))
    expect(await analyses()).toMatchObject([
      {
        agent_id: shown,
        contact_id: shown,
        audio_url: shown,
        audio_format: shown,
        language: shown,
        transcript: shown,
        quality: { [shown]: [shown, { deep: shown }] },
        results: { infinite: ['Infinity', '-Infinity'] },
        envelope: { [shown]: shown },
      },
    ])
    expect(await segments()).toMatchObject([{ speaker: shown, text: shown }])
    await handler.handle({
      id: 'other',
      status: 'failed',
      error: { code: text, message: text, details: text },
    })
    expect((await analyses())[1]).toMatchObject({
      error_code: shown,
      error_message: shown,
      error_details: shown,
    })
  })

  it('is cut where it is nested deeper than a hundred levels', async () => {
    const { handler, analyses } = await openDatabase()
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    await handler.handle(`{"id":"a","status":"completed","results":${deep},"unknown":${deep}}`)
    const [row] = await analyses()
    expect(JSON.stringify(row?.results)).toBe(
      `${'{"a":'.repeat(100)}"(nested too deep to be stored)"${'}'.repeat(100)}`,
    )
  })

  it.each([
    [1_762_425_000_000, null],
    [-99_999_999_999, null],
    [253_402_300_799, new Date('9999-12-31T23:59:59Z')],
    [-62_135_596_800, new Date('0001-01-01T00:00:00Z')],
  ])(
    'includes times outside the years 1 to 9999: created %d becomes %o, and is kept as sent',
    async (created, stored) => {
      const { handler, analyses } = await openDatabase()
      await handler.handle({ id: 'a', status: 'completed', created })
      expect(await analyses()).toMatchObject([{ created_at: stored, envelope: { created } }])
    },
  )

  it('are no numbers that JavaScript can hold', async () => {
    const { handler, analyses, segments } = await openDatabase()
    const numbers = [0, 5e-324, 1.797_693_134_862_315_7e308, -1e300, 0.1, 9_007_199_254_740_992]
    const transcript = { segments: numbers.map((start) => ({ start, end: start })) }
    await handler.handle({
      id: 'a',
      status: 'completed',
      audio: { duration_seconds: 1e308 },
      transcript,
      results: { numbers },
    })
    expect(await analyses()).toMatchObject([{ duration_seconds: 1e308, results: { numbers } }])
    expect((await segments()).map(({ start_seconds }) => start_seconds)).toEqual(numbers)
  })
})

describe('hostile texts', available, () => {
  it('each as an id make a row of their own, and are erased by it alone', async () => {
    const { handler, query } = await openDatabase()
    await Promise.all(HOSTILE_IDS.map((id) => handler.handle({ ...completedAnalysis(), id })))
    const count = async () =>
      Number((await query('SELECT count(*) FROM callcov_receiver.analyses'))[0]?.count)
    expect(await count()).toBe(HOSTILE_IDS.length)
    const plain = HOSTILE_IDS.filter((id) => id.length <= 255 && id.isWellFormed() && !id.includes('\u0000'))
    const found = await query(
      'SELECT analysis_id FROM callcov_receiver.analyses WHERE analysis_id = ANY($1)',
      plain,
    )
    expect(found).toHaveLength(plain.length)
    for (const [index, id] of HOSTILE_IDS.entries()) {
      expect([id, await handler.forget(id)]).toEqual([id, 1])
      if (index % 50 === 0) expect(await count()).toBe(HOSTILE_IDS.length - index - 1)
    }
    expect(await query('SELECT FROM callcov_receiver.segments')).toEqual([])
  })

  it('come back as they were from every field, where PostgreSQL can hold them', async () => {
    const { handler, analyses, segments } = await openDatabase()
    const texts = HOSTILE_IDS.filter((text) => text.isWellFormed() && !text.includes('\u0000'))
    await Promise.all(
      texts.map((text, index) =>
        handler.handle({
          id: String(index).padStart(4, '0'),
          status: 'completed',
          call: { agent_id: text, contact_id: text },
          audio: { url: text, format: text },
          transcript: { text, language: text, segments: [{ speaker: text, text }] },
          results: JSON.parse(`{"compliance":{${JSON.stringify(text)}:${JSON.stringify(text)}}}`) as unknown,
        }),
      ),
    )
    const columns = ['agent_id', 'contact_id', 'audio_url', 'audio_format', 'language', 'transcript']
    const rows = await analyses()
    for (const column of columns) expect(rows.map((row) => row[column])).toEqual(texts)
    expect(rows.map(({ compliance }) => Object.entries(compliance as object))).toEqual(
      texts.map((text) => [[text, text]]),
    )
    for (const column of ['speaker', 'text']) {
      expect((await segments()).map((row) => row[column])).toEqual(texts)
    }
  })

  it('and any JSON that becomes an event are stored, and break no view', async () => {
    const { handler, query } = await openDatabase()
    await fc.assert(
      fc.asyncProperty(analysisWithAnyFields, async (json) => {
        const body = JSON.parse(JSON.stringify({ ...json, id: randomUUID() })) as unknown
        if (normaliseCallcov(body).ok) await handler.handle(body)
      }),
      { numRuns: 500 },
    )
    await query('SELECT * FROM callcov_receiver.compliance_flags')
    await query('SELECT * FROM callcov_receiver.agent_quality')
  })
})

describe('forget', available, () => {
  it('erases the analysis with its segments, and no other', async () => {
    const { handler, analyses, segments } = await openDatabase()
    await handler.handle(sample('callcov-completed.json'))
    await handler.handle(sample('callcov-completed-es.json'))
    expect(await handler.forget('7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41')).toBe(1)
    expect(await analyses()).toMatchObject([{ language: 'es' }])
    expect(await segments()).toHaveLength(8)
    expect(await handler.forget('7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41')).toBe(0)
  })

  it('finds nothing in a database that the service has never used, and makes nothing there', async () => {
    const { handler, query } = await openDatabase()
    expect(await handler.forget('anl')).toBe(0)
    expect(await query("SELECT FROM pg_namespace WHERE nspname LIKE 'callcov%'")).toEqual([])
  })
})
