import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeFlag } from '../../../src/handlers/builtin/notify/describe-flag.ts'
import { findFlags } from '../../../src/handlers/builtin/notify/find-flags.ts'
import { anyJson } from '../support/arbitrary-json.ts'
import { fixtureJson, type FixtureFile } from '../support/fixtures.ts'
import { completedEvent } from '../support/normalised.ts'

const flagsOf = (compliance: unknown) =>
  findFlags({ compliance }, ['compliance']).map((path) => path.replace(/^compliance\.?/, ''))

describe('flags in what CallCov sends', () => {
  it.each<[FixtureFile, string[]]>([
    ['callcov-completed.json', []],
    [
      'callcov-completed-es.json',
      [
        'compliance.mandatory_disclosures.read',
        'compliance.mandatory_disclosures.missing_disclosures',
        'compliance.purpose_declaration',
      ],
    ],
    [
      'callcov-event-completed.json',
      [
        'compliance.identity_verification',
        'compliance.mandatory_disclosures.read',
        'compliance.mandatory_disclosures.missing_disclosures',
        'compliance.prohibited_phrases',
      ],
    ],
  ])('%s: %j', (file, flags) => {
    expect(findFlags(completedEvent(fixtureJson(file)).results, ['compliance'])).toEqual(flags)
  })
})

describe('a flag', () => {
  it.each([
    ['a check that is false', { disclosure_read: false }, ['disclosure_read']],
    ['a check of any name', { hold_music: false, greeted: true }, ['hold_music']],
    ['a problem that is true', { violation: true, hasIssues: true }, ['violation', 'hasIssues']],
    ['a list of problems', { violations: ['recording notice'] }, ['violations']],
    ['a number of problems', { violation_count: 2 }, ['violation_count']],
    [
      'a verdict',
      { status: 'Failed', disclosure: { result: 'non_compliant' } },
      ['status', 'disclosure.result'],
    ],
    ['one of many checks', { checks: [{ passed: true }, { passed: false }] }, ['checks[1].passed']],
    [
      'a denied problem that is not so',
      { no_violations: false, noncompliant: true },
      ['no_violations', 'noncompliant'],
    ],
    ['a judgement of the provider', { greeting: { flagged: true, detected: true } }, ['greeting']],
    ['one inside what is judged fine', { flagged: false, parts: { flagged: true } }, ['parts']],
    ['all of it', { flagged: true }, ['']],
    ['a list instead of an object', ['recording notice'], ['']],
    ['a list of objects', [{ passed: true }, { passed: false }], ['[1].passed']],
    ['a check instead of an object', { identity: { verified: false } }, ['identity.verified']],
  ])('is %s', (_what, compliance, flags) => {
    expect(flagsOf(compliance)).toEqual(flags)
  })

  it.each([
    ['a check that is true', { passed: true, read: true }],
    ['a problem that is false', { violation: false, detected: false, flagged: false }],
    ['an empty list, or none', { violations: [], missing_disclosures: null, issues: 0 }],
    ['what was fulfilled', { matched_disclosures: ['recording notice'], timestamps: [1.5, 2] }],
    ['a measure', { risk_score: 0.2, error_rate: 0.01, violation_timestamp: 12 }],
    ['a setting', { consent_required: false, review_required: true, recording_enabled: false }],
    ['a fact beside a judgement', { disclosed: false, phrases: ['x'], missing: ['y'], flagged: false }],
    ['a verdict that is good', { status: 'passed', result: 'compliant' }],
    ['a text', { summary: 'failed', violation: 'none' }],
    ['nothing at all', {}],
    ['null', null],
    ['a text instead of an object', 'violation'],
  ])('is not %s', (_what, compliance) => {
    expect(flagsOf(compliance)).toEqual([])
  })
})

describe('a path of the setting', () => {
  const results = {
    compliance: { prohibited_phrases: { phrases: ['x'], flagged: false }, passed: false },
    quality: { greeting: { present: false }, interruptions: 3 },
  }

  it.each([
    ['names a part', 'quality', ['quality.greeting.present']],
    ['names one check', 'quality.greeting.present', ['quality.greeting.present']],
    [
      'names a list of texts',
      'compliance.prohibited_phrases.phrases',
      ['compliance.prohibited_phrases.phrases'],
    ],
    ['names a number', 'quality.interruptions', ['quality.interruptions']],
    ['is not there', 'coaching.flags', []],
    ['goes through what is no object', 'compliance.passed.more', []],
    ['is a name that every object has', 'constructor.name', []],
  ])('that %s', (_what, path, flags) => {
    expect(findFlags(results, [path])).toEqual(flags)
  })

  it('counts a flag once that two of them reach', () => {
    expect(findFlags(results, ['quality', 'quality.greeting'])).toEqual(['quality.greeting.present'])
  })
})

describe('results of unknown shape', () => {
  it('never break it', () => {
    fc.assert(
      fc.property(anyJson, fc.array(fc.string(), { maxLength: 3 }), (results, paths) => {
        for (const flag of findFlags({ compliance: results }, ['compliance', ...paths])) {
          expect(typeof describeFlag(flag)).toBe('string')
        }
        expect(Array.isArray(findFlags(results, paths))).toBe(true)
      }),
    )
  })

  it('are read in a moment, however deep, wide or long', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(5000)}{"passed":false}${'}'.repeat(5000)}`) as unknown
    const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`check_${index}`, false]))
    const long = { ['aB'.repeat(1_000_000)]: false, list: Array.from({ length: 100_000 }, () => ({})) }
    const startedAt = performance.now()
    expect(flagsOf(deep)).toEqual([])
    expect(flagsOf(wide).length).toBeLessThanOrEqual(50)
    expect(flagsOf(long)).toHaveLength(1)
    expect(performance.now() - startedAt).toBeLessThan(2000)
  })
})

describe('a flag as it is told', () => {
  it.each([
    ['compliance.mandatory_disclosures.read', 'compliance.mandatory_disclosures.read'],
    ['compliance.checks[12].passed', 'compliance.checks[].passed'],
    ['compliance.+49 30 901820.flagged', 'compliance.….flagged'],
    ['compliance.customer said yes', 'compliance.…'],
    ['compliance.a4930901820', 'compliance.…'],
    ['compliance.jane@example', 'compliance.…'],
    ['compliance.<!channel>', 'compliance.…'],
  ])('%s: %s, with no name that could be what somebody said', (path, told) => {
    expect(describeFlag(path)).toBe(told)
  })
})
