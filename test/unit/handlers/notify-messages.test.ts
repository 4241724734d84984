import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatForAny,
  formatForSlack,
  formatText,
} from '../../../src/handlers/builtin/notify/format-message.ts'
import { mergeNotices, noticeOf, type Notice } from '../../../src/handlers/builtin/notify/notice.ts'
import { HOSTILE_IDS } from '../../support/hostile-strings.ts'

const SINCE = new Date('2026-03-04T05:06:07.008Z')
const one = (id: string, ...reasons: string[]): Notice => ({ ...noticeOf(id, reasons), since: SINCE })
const many = (...notices: Notice[]): Notice => notices.reduce(mergeNotices)

describe('the text of a message', () => {
  it.each([
    ['analysis.failed' as const, one('anl_1'), 'Analysis failed: `anl_1`'],
    ['analysis.failed' as const, one('anl_1', 'no_speech'), 'Analysis failed: `anl_1` (no_speech)'],
    [
      'analysis.flagged' as const,
      one('anl_1', 'compliance.purpose', 'compliance.phrases'),
      'Compliance flags in the analysis: `anl_1` (compliance.purpose, compliance.phrases)',
    ],
    ['dead-letter' as const, one('job-1', 'crm failed'), 'New dead letter: `job-1` (crm failed)'],
    [
      'dead-letter' as const,
      many(one('job-1', 'inbox schema'), one('job-2', 'crm failed'), one('job-3', 'crm failed')),
      '3 new dead letters since 05:06:07 UTC: `job-1`, `job-2`, `job-3` (crm failed: 2, inbox schema: 1)',
    ],
    ['call.ended' as const, one('call-1'), 'Event call.ended: `call-1`'],
    [
      'call.ended' as const,
      many(one('call-1'), one('call-2')),
      '2 events call.ended since 05:06:07 UTC: `call-1`, `call-2`',
    ],
  ])('of %s', (kind, notice, text) => {
    expect(formatText(kind, notice)).toBe(text)
  })

  it('names a few ids and the most frequent reasons, and counts the others', () => {
    const notices = Array.from({ length: 200 }, (_, index) => one(`anl_${index}`, `code_${index % 9}`))
    expect(formatText('analysis.failed', many(...notices))).toBe(
      '200 analyses failed since 05:06:07 UTC: `anl_0`, `anl_1`, `anl_2`, `anl_3`, `anl_4` and 195 more ' +
        '(code_0: 23, code_1: 23, code_2: 22, code_3: 22, code_4: 22, and 4 more)',
    )
  })

  it('is one short line whatever the ids are', () => {
    for (const id of HOSTILE_IDS) {
      const text = formatText('analysis.failed', one(id))
      expect(text, JSON.stringify(id)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u)
      expect(text.length).toBeLessThan(300)
      expect(text.split('`')).toHaveLength(3)
    }
  })
})

describe('a message to Slack', () => {
  it('is a text in which the three special characters are escaped', () => {
    expect(formatForSlack('analysis.failed', one('<!channel> & <@U1>'), undefined)).toEqual({
      text: 'Analysis failed: `&lt;!channel&gt; &amp; &lt;@U1&gt;`',
    })
  })

  it('links to the private page when its address is known', () => {
    expect(formatForSlack('analysis.failed', one('anl_1'), 'https://admin.example/?a=1&b=2')).toEqual({
      text: 'Analysis failed: `anl_1`\n<https://admin.example/?a=1&amp;b=2>',
    })
  })

  it('gives no id a meaning', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (id) => {
        const { text } = formatForSlack('analysis.failed', one(id), undefined) as { text: string }
        expect(text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/)
      }),
    )
  })
})

describe('a message to any other service', () => {
  it('is the text, and what it is made of', () => {
    const notice = many(one('anl_1', 'no_speech'), one('anl_2', 'no_speech'))
    expect(formatForAny('analysis.failed', notice, 'https://admin.example')).toEqual({
      text: '2 analyses failed since 05:06:07 UTC: `anl_1`, `anl_2` (no_speech: 2)\nhttps://admin.example',
      kind: 'analysis.failed',
      count: 2,
      since: '2026-03-04T05:06:07.008Z',
      ids: ['anl_1', 'anl_2'],
      reasons: { no_speech: 2 },
      adminUrl: 'https://admin.example',
    })
    expect(formatForAny('analysis.failed', notice, undefined)).not.toHaveProperty('adminUrl')
  })
})

describe('many notices', () => {
  it('take no more than a bounded place', () => {
    const notices = Array.from({ length: 5000 }, (_, index) => one(`anl_${index}`, `reason_${index}`))
    const { count, ids, reasons } = many(...notices)
    expect([count, ids.length, reasons.size]).toEqual([5000, 5, 100])
  })
})
