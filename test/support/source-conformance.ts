import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Source, SourceEvent } from '../../src/sources/source.ts'

export interface ConformanceSubject<Event extends SourceEvent> {
  readonly source: Source<Event>
  /** Two that could be configured. */
  readonly secrets: readonly [string, string]
  /** At least one for each event type. */
  readonly bodies: readonly Buffer[]
  /** The headers with which the provider sends a body. */
  readonly prove: (body: Buffer, secret: string) => IncomingHttpHeaders
  /** Whether they prove the body too, and not only who sent it. */
  readonly isBodyProven: boolean
}

const DIGEST = 'a7'.repeat(32)
const CANARY = 'CANARY'
const STRANGE_VALUES = [
  CANARY,
  [CANARY],
  { [CANARY]: CANARY },
  [{ [CANARY]: {} }],
  17.5,
  -1e300,
  true,
  null,
  '',
]

/** What the service relies on, of whichever source. A test file for a new one consists of a call of this. */
export function describeConformance<Event extends SourceEvent>(subject: ConformanceSubject<Event>): void {
  const { source, bodies } = subject
  const samples = bodies.map((body) => source.parse(body)?.value)

  describe(`the source ${source.name}`, () => {
    it('has a name, paths and a setting that can be used as such', () => {
      expect(source.name).toMatch(/^[a-z][a-z0-9-]*$/)
      expect(source.paths.length).toBeGreaterThan(0)
      for (const path of source.paths) expect(path).toMatch(/^\/webhooks\/[a-z0-9/-]*[a-z0-9]$/)
      expect(source.secret.setting).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/)
      expect(source.unauthorizedText).not.toBe('')
    })

    it('says what is wrong with secrets that are none, or short, and never what they are', () => {
      const { problemOf } = source.secret
      expect(problemOf([subject.secrets[0]])).toBeUndefined()
      expect(problemOf(subject.secrets)).toBeUndefined()
      for (const secrets of [[], [''], ['short'], [subject.secrets[0], CANARY]]) {
        expect(problemOf(secrets)).toMatch(/^(?!.*CANARY)./)
      }
    })

    describeAuthentication(subject)

    it('parses any bytes, or says that it cannot, and never throws', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          source.parse(Buffer.from(bytes))
        }),
      )
      for (const body of bodies) expect(source.parse(body)).toBeDefined()
    })

    it('names each event, with its type and an id', () => {
      const types = samples.map((sample) => source.identify(sample, DIGEST)?.type)
      expect(new Set(types)).toEqual(new Set(source.eventTypes))
      expect(samples.map((sample) => source.identify(sample, DIGEST)?.id)).not.toContain('')
    })

    it('turns each event into one that tells where it comes from, with the body as it was parsed', () => {
      for (const sample of samples) {
        const normalised = source.normalise(sample)
        if (!normalised.ok) throw new Error(normalised.problem)
        const { event } = normalised
        expect([event.source, event.type]).toEqual([source.name, source.identify(sample, DIGEST)?.type])
        expect(event.raw).toBe(sample)
        const facts = Object.values(source.logFacts(event))
        expect(facts.filter((fact) => typeof fact === 'object' && fact !== null)).toEqual([])
      }
    })

    it('names and normalises whatever was parsed, alike and without throwing', () => {
      fc.assert(
        fc.property(fc.oneof(fc.jsonValue(), changed(samples)), (value) => {
          const identity = source.identify(value, DIGEST)
          expect(source.identify(value, DIGEST)).toEqual(identity)
          if (identity !== undefined) {
            expect(source.eventTypes).toContain(identity.type)
            expect([typeof identity.id, identity.id === '']).toEqual(['string', false])
          }
          const normalised = source.normalise(value)
          if (normalised.ok) {
            expect(normalised.event.type).toBe(identity?.type)
            expect(normalised.createdAt ?? '2026-01-01T00:00:00.000Z').toMatch(/^[+-]?\d{4,6}-\d\d-\d\dT.*Z$/)
            source.logFacts(normalised.event)
          } else {
            expect(normalised.problem).not.toBe('')
            expect(normalised.problem).not.toContain(CANARY)
          }
        }),
        { numRuns: 2000 },
      )
    })

    it('leaves what was parsed as it is', () => {
      for (const sample of samples) {
        const before = JSON.stringify(sample)
        source.identify(sample, DIGEST)
        source.normalise(sample)
        expect(JSON.stringify(sample)).toBe(before)
      }
    })
  })
}

function describeAuthentication<Event extends SourceEvent>(subject: ConformanceSubject<Event>): void {
  const { source, secrets, prove, isBodyProven } = subject
  const [secret, other] = secrets
  const body = subject.bodies[0] ?? Buffer.alloc(0)
  const proof = prove(body, secret)
  const isAuthentic = (headers: IncomingHttpHeaders, sent = body, known: readonly string[] = [secret]) => {
    const { ok } = source.authenticate(headers, sent, known)
    // Or a body would be refused before it is read.
    if (ok) expect(source.mayBeAuthentic(headers, known)).toBe(true)
    return ok
  }

  it('takes what is proven with any of the secrets, and tells which', () => {
    expect(source.authenticate(proof, body, [secret])).toEqual({ ok: true, position: 0 })
    expect(source.authenticate(proof, body, [other, secret])).toEqual({ ok: true, position: 1 })
    expect(source.authenticate(prove(body, other), body, [other, secret])).toEqual({ ok: true, position: 0 })
    expect(isAuthentic(proof)).toBe(true)
  })

  it('refuses what is proven with another secret, or not at all', () => {
    expect(isAuthentic(prove(body, other))).toBe(false)
    expect(isAuthentic(proof, body, [])).toBe(false)
    expect(isAuthentic({})).toBe(false)
    expect(source.mayBeAuthentic({}, [secret])).toBe(false)
    if (isBodyProven) expect(isAuthentic(proof, Buffer.concat([body, Buffer.from(' ')]))).toBe(false)
  })

  it('refuses it with any header left out, cut, changed or sent twice', () => {
    for (const [name, value] of provingHeaders()) {
      const last = value.at(-1) === '0' ? '1' : '0'
      for (const wrong of [
        undefined,
        '',
        value.slice(0, -1),
        value.slice(0, -1) + last,
        `${value}, ${value}`,
      ]) {
        expect([name, wrong, isAuthentic({ ...proof, [name]: wrong })]).toEqual([name, wrong, false])
      }
    }
  })

  it('refuses any other text in its place, and never throws', () => {
    const names = provingHeaders().map(([name]) => name)
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.string({ maxLength: 100 }), (name, text) => {
        fc.pre(text !== proof[name])
        expect(isAuthentic({ ...proof, [name]: text })).toBe(false)
      }),
    )
  })

  function provingHeaders(): (readonly [string, string])[] {
    const texts = Object.entries(proof).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as const] : [],
    )
    return texts.filter(([name]) => name !== 'content-type')
  }
}

/** One of these values with one of its parts replaced or gone, however deep it lies. */
function changed(samples: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.constantFrom(...samples).chain((sample) => {
    const paths = pathsOf(sample)
    return fc
      .tuple(fc.constantFrom(...paths), fc.constantFrom(undefined, ...STRANGE_VALUES))
      .map(([path, value]) => replaced(sample, path, value))
  })
}

function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, part]) => pathsOf(part, [...path, key]))]
}

function replaced(value: unknown, [key, ...rest]: readonly string[], replacement: unknown): unknown {
  if (key === undefined) return replacement
  const copy = structuredClone(value) as Record<string, unknown>
  if (replacement === undefined && rest.length === 0) delete copy[key]
  else copy[key] = replaced(copy[key], rest, replacement)
  return copy
}
