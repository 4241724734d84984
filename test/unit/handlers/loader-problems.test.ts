import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../../support/temp-dir.ts'
import { handlersDir, handlerText, problemsByFile, refusalOf } from '../support/load-handlers.ts'

describe('handlers that cannot be used', () => {
  it('stop the start together, each file with what is wrong in it, and good ones are not blamed', async () => {
    const dir = handlersDir({
      'good.mjs': handlerText('good'),
      'number.mjs': 'export default 5',
      'named.mjs': 'export const handler = {}',
      'function.mjs': 'export default () => {}',
      'null.mjs': 'export default null',
    })
    expect((await refusalOf(dir)).code).toBe('CALLCOV_HANDLERS')
    const problems = await problemsByFile(dir)
    const bad = ['function.mjs', 'named.mjs', 'null.mjs', 'number.mjs']
    expect(Object.keys(problems).toSorted()).toEqual(bad)
    for (const file of bad) expect(problems[file]).toContain('export default')
  })

  it('include an empty file', async () => {
    expect(Object.keys(await problemsByFile(handlersDir({ 'empty.ts': '' })))).toEqual(['empty.ts'])
  })

  it('name the option, and what it should be, but need not be mended one by one', async () => {
    const text = `export default { name: 'Bad Name', on: ['analysis.done'], handle: 5, timeout: 5, attempts: 0, concurrency: 1.5, backoff: 'soon' }`
    const problems = await problemsByFile(
      handlersDir({ 'crm.mjs': text, 'all.mjs': 'export default { on: [] }' }),
    )
    for (const option of ['name', 'on.0', 'handle', 'timeout', 'attempts', 'concurrency', 'backoff']) {
      expect(problems['crm.mjs']?.split('; ')).toContainEqual(expect.stringMatching(`^${option} `))
    }
    expect(problems['crm.mjs']).toContain('analysis.completed, analysis.failed')
    expect(problems['all.mjs']).toMatch(/name .*; on .*; handle /)
  })

  it.each([`''`, `'a b'`, `'Crm'`, `'crm:1'`, `'ñ'`, `'${'a'.repeat(41)}'`, '5', 'undefined'])(
    'include one with the name %s, which could not name a queue',
    async (name) => {
      const text = `export default { name: ${name}, on: ['analysis.completed'], handle() {} }`
      expect(await problemsByFile(handlersDir({ 'crm.mjs': text }))).toEqual({
        'crm.mjs': expect.stringMatching(/^name /),
      })
    },
  )

  it.each([
    ['0s', 'no time at all'],
    ['60d', 'longer than a timer of Node can run: it would be over at once'],
    [`${'1'.repeat(101)}s`, 'longer than any time, and not to be replaced by the default'],
  ])('include one with the timeout %s: %s', async (timeout) => {
    const dir = handlersDir({ 'crm.mjs': handlerText('crm', `timeout: '${timeout}'`) })
    expect(await problemsByFile(dir)).toEqual({ 'crm.mjs': expect.stringMatching(/^timeout /) })
  })
})

describe('two handlers of one name', () => {
  it('stop the start, and both files are named', async () => {
    const dir = handlersDir({ 'a.mjs': handlerText('crm'), 'b.ts': handlerText('crm') })
    const { message } = await refusalOf(dir)
    expect(message).toContain('crm')
    expect(message).toContain(join(dir, 'a.mjs'))
    expect(message).toContain(join(dir, 'b.ts'))
  })
})

describe('a name of the service itself', () => {
  it.each(['log', 'postgres', 'forward', 'forward-crm', 'notify', 'archive', 'inbox'])(
    'is refused for a handler of the folder, on or off: %s',
    async (name) => {
      const problems = await problemsByFile(handlersDir({ 'mine.mjs': handlerText(name) }))
      expect(problems).toEqual({ 'mine.mjs': expect.stringContaining('the service itself') })
    },
  )
})

describe('an option that there is not', () => {
  it.each([
    ['timeOut', 'timeout'],
    ['concurency', 'concurrency'],
    ['retries', undefined],
    ['liveMode', 'livemode'],
    ['braker', 'breaker'],
    ['on_dead_letter', 'onDeadLetter'],
  ])('%s is reported as a probable typing error, with the nearest that there is', async (option, nearest) => {
    const problems = await problemsByFile(handlersDir({ 'crm.mjs': handlerText('crm', `${option}: '5s'`) }))
    expect(problems['crm.mjs']).toMatch(new RegExp(`^${option} is no option .*typing error`))
    expect(problems['crm.mjs']).toContain(
      nearest === undefined ? 'known are name, on' : `did you mean ${nearest}?`,
    )
  })
})

describe('options of their own kind', () => {
  it.each([
    ['breaker: true', /^breaker must be like \{ failures: 5/],
    [`breaker: { failures: 0, openFor: '30s' }`, /^breaker\.failures /],
    [`breaker: { failures: 5, openFor: '30' }`, /^breaker\.openFor must be a time/],
    [`breaker: { failures: 5 }`, /^breaker\.openFor /],
    [`breaker: { failures: 5, openFor: '30s', after: 3 }`, /^breaker /],
    [`livemode: 'yes'`, /^livemode must be true or false/],
    ['start: 5', /^start must be a function/],
    ['stop: {}', /^stop must be a function/],
    ['onDeadLetter: null', /^onDeadLetter must be a function/],
    ['forget: true', /^forget must be a function/],
  ])('are refused as %s', async (option, problem) => {
    const problems = await problemsByFile(handlersDir({ 'crm.mjs': handlerText('crm', option) }))
    expect(problems['crm.mjs']).toMatch(problem)
  })
})

describe('a file that does not load', () => {
  it('is named with its syntax error', async () => {
    const dir = handlersDir({ 'a.js': 'export default {', 'b.ts': 'const x: = 1', 'c.mjs': 'const 5x = 1' })
    expect(await problemsByFile(dir)).toEqual({
      'a.js': expect.stringContaining('SyntaxError'),
      'b.ts': expect.stringContaining('SyntaxError'),
      'c.mjs': expect.stringContaining('SyntaxError'),
    })
  })

  it.each([
    ['an enum', 'enum Colour { Red }', 'const object'],
    ['a namespace', 'namespace N { export const a = 1 }', 'const object'],
    ['a parameter property', 'class A { constructor(readonly a: number) {} }', 'plain property'],
  ])('because of %s is told what to write instead', async (_case, text, cure) => {
    const dir = handlersDir({ 'crm.ts': `${text}\n${handlerText('crm')}` })
    const problems = await problemsByFile(dir)
    expect(Object.keys(problems)).toEqual(['crm.ts'])
    expect(problems['crm.ts']).toContain('only strips types')
    expect(problems['crm.ts']).toContain(cure)
  })

  it('because it imports a type as a value is told to write import type', async () => {
    const text = `import { Delivery, defineHandler } from 'callcov-webhook-receiver'
      export default defineHandler({ name: 'crm', on: ['analysis.completed'], handle: (_event, context: { delivery: Delivery }) => context })`
    expect(await problemsByFile(handlersDir({ 'crm.ts': text }))).toEqual({
      'crm.ts': expect.stringContaining('import type { Delivery }'),
    })
  })

  it('because it throws is named with the text and the line', async () => {
    const dir = handlersDir({
      'crm.mjs': `\n\nthrow new Error('CRM_URL is not set')`,
      'odd.mjs': 'throw null',
    })
    const problems = await problemsByFile(dir)
    expect(problems['crm.mjs']).toMatch(/Error: CRM_URL is not set .*crm\.mjs:3/)
    expect(problems['odd.mjs']).toContain('threw')
  })

  it('because a package is missing is named with the package, and not with a line of the service', async () => {
    const text = `import 'a-package-that-nobody-installed'\n${handlerText('crm')}`
    const problems = await problemsByFile(handlersDir({ 'crm.mjs': text }))
    expect(problems['crm.mjs']).toContain('a-package-that-nobody-installed')
    expect(problems['crm.mjs']).not.toContain('src/handlers/loader.ts')
  })
})

describe('a handlers folder that cannot be read', () => {
  it('stops the start, with its name and what to do', async () => {
    const missing = join(tempDir(), 'handlers')
    const { code, message } = await refusalOf(missing)
    expect(code).toBe('CALLCOV_HANDLERS')
    expect(message).toContain(missing)
    expect(message).toContain('HANDLERS_DIR')
  })

  it('is also one that is a file', async () => {
    const file = join(tempDir(), 'handlers')
    writeFileSync(file, '')
    expect((await refusalOf(file)).message).toContain('HANDLERS_DIR')
  })
})
