import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { EVENT_TYPES } from '../../src/sources/sources.ts'
import { problemsOf, refusalText } from './support/settings.ts'

const targetsOf = (text: string) => loadConfig({ FORWARD_URLS: text }).builtin.forward?.targets

describe('FORWARD_URLS', () => {
  it.each([
    ['https://crm.example/hook', 'crm-example', 'https://crm.example/hook', EVENT_TYPES],
    ['crm=https://crm.example/hook', 'crm', 'https://crm.example/hook', EVENT_TYPES],
    ['https://x.example/in?token=a=b', 'x-example', 'https://x.example/in?token=a=b', EVENT_TYPES],
    ['a=https://x.example/in?b=c', 'a', 'https://x.example/in?b=c', EVENT_TYPES],
    ['https://x.example/a%2Cb', 'x-example', 'https://x.example/a%2Cb', EVENT_TYPES],
    ['https://X.Example analysis.failed', 'x-example', 'https://x.example/', ['analysis.failed']],
    ['http://10.0.0.7:9000/in', '10-0-0-7', 'http://10.0.0.7:9000/in', EVENT_TYPES],
    ['http://[::1]:9000/in', '1', 'http://[::1]:9000/in', EVENT_TYPES],
    ['http://bücher.example/', 'xn-bcher-kva-example', 'http://xn--bcher-kva.example/', EVENT_TYPES],
    [
      'https://x.example  analysis.failed\tanalysis.completed analysis.failed',
      'x-example',
      'https://x.example/',
      ['analysis.completed', 'analysis.failed'],
    ],
    [
      'https://x.example call.ended tool.executed',
      'x-example',
      'https://x.example/',
      ['tool.executed', 'call.ended'],
    ],
  ])('%s is the target %s', (text, name, url, on) => {
    expect(targetsOf(text)).toEqual([{ name, url, on }])
  })

  it('may name several, with blanks and line ends around them', () => {
    const targets = targetsOf(
      ' crm=https://crm.example/hook analysis.completed ,\n  https://audit.example/in ',
    )
    expect(targets).toEqual([
      { name: 'crm', url: 'https://crm.example/hook', on: ['analysis.completed'] },
      { name: 'audit-example', url: 'https://audit.example/in', on: EVENT_TYPES },
    ])
  })

  it('makes names that are short enough for a handler, and never end in a dash', () => {
    const [target] = targetsOf(`https://${'a'.repeat(31)}.example.com/`) ?? []
    expect(target?.name).toBe('a'.repeat(31))
  })

  it.each([
    ['no address', 'CANARY'],
    ['another scheme', 'ftp://CANARY.example'],
    ['a file', 'file:///CANARY'],
    ['an empty entry', 'https://a.example,'],
    ['a comma inside', 'https://a.example/CANARY,b'],
    ['a user name', 'https://CANARY@a.example'],
    ['a password', 'https://u:CANARY@a.example'],
    ['a name that is none', 'CANARY=https://a.example'],
    ['a name that is too long', `${'c'.repeat(33)}=https://a.example`],
    ['an empty name', '=https://a.example'],
    ['an unknown type', 'https://a.example analysis.CANARY'],
    ['two of one name', 'CANARY=https://a.example, https://a.example, https://a.example/b'.slice(8)],
    ['two of one host', 'https://a.example/1, https://a.example:8443/2'],
  ])('is refused by name for %s, without a word of it', (_case, text) => {
    const problems = problemsOf({ FORWARD_URLS: text })
    expect(problems.length).toBeGreaterThan(0)
    for (const problem of problems) expect(problem).toMatch(/^FORWARD_URLS /)
    expect(refusalText({ FORWARD_URLS: text })).not.toContain('CANARY')
  })

  it('of the same name twice says to give names', () => {
    expect(problemsOf({ FORWARD_URLS: 'https://a.example/1, https://a.example/2' })).toEqual([
      expect.stringContaining('give each its own, like crm=https://'),
    ])
  })
})
