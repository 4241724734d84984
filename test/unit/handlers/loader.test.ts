import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../../support/temp-dir.ts'
import { handlersDir, handlerText, loadFrom } from '../support/load-handlers.ts'

const EXAMPLE = fileURLToPath(new URL('../../../handlers/example.ts', import.meta.url))

describe('the files of the handlers folder', () => {
  it('are loaded as TypeScript, JavaScript and ES modules, in the order of their names', async () => {
    const dir = handlersDir({
      'c.mjs': handlerText('from-mjs'),
      'b.js': handlerText('from-js'),
      'a.ts': `const name: string = 'from-ts'\n${handlerText('from-ts')}`,
    })
    const { handlers } = await loadFrom(dir)
    expect(handlers.map(({ name }) => name)).toEqual(['from-ts', 'from-js', 'from-mjs'])
    expect(handlers.map(({ ended }) => ended)).toEqual([
      'returned from-ts',
      'returned from-js',
      'returned from-mjs',
    ])
  })

  it('join the handler that the service brings along', async () => {
    expect(await loadFrom(handlersDir({}))).toEqual({ builtIn: 'log', handlers: [] })
  })

  it('are left alone when their names say that they are no handlers', async () => {
    const broken = 'this is no program'
    const ignored = [
      '_helper.ts',
      '.hidden.ts',
      'types.d.ts',
      'crm.test.ts',
      'crm.test.mjs',
      'notes.md',
      'data.json',
      'crm.ts.bak',
      'crm.cts',
      'crm.tsx',
    ]
    const dir = handlersDir({
      ...Object.fromEntries(ignored.map((name) => [name, broken])),
      'node_modules/lib/index.js': broken,
      'sub/crm.ts': broken,
      'crm.ts': handlerText('crm'),
    })
    const { handlers } = await loadFrom(dir)
    expect(handlers.map(({ name }) => name)).toEqual(['crm'])
  })

  it('may be links, as Kubernetes mounts them, and a folder may be named like a file', async () => {
    const dir = handlersDir({ '..data/crm.mjs': handlerText('crm') })
    symlinkSync('..data/crm.mjs', join(dir, 'crm.mjs'))
    mkdirSync(join(dir, 'folder.ts'))
    expect((await loadFrom(dir)).handlers).toMatchObject([{ name: 'crm' }])
  })
})

describe('a handler', () => {
  it('has the options of the settings, or its own', async () => {
    const own = `timeout: '30s', concurrency: 2, attempts: 5, backoff: '250ms'`
    const dir = handlersDir({ 'a.mjs': handlerText('a'), 'b.mjs': handlerText('b', own) })
    expect((await loadFrom(dir)).handlers).toMatchObject([
      {
        name: 'a',
        timeoutMs: 60_000,
        concurrency: 20,
        attempts: 40,
        backoffMs: 5000,
        backoffMaxMs: 3_600_000,
      },
      { name: 'b', timeoutMs: 30_000, concurrency: 2, attempts: 5, backoffMs: 250, backoffMaxMs: 3_600_000 },
    ])
  })

  it('with a backoff above the cap of the settings is not capped below it', async () => {
    const dir = handlersDir({ 'a.mjs': handlerText('a', `backoff: '2h'`) })
    expect((await loadFrom(dir)).handlers).toMatchObject([{ backoffMs: 7_200_000, backoffMaxMs: 7_200_000 }])
  })

  it('may have a breaker, and want events of one mode only', async () => {
    const own = `breaker: { failures: 5, openFor: '30s' }, livemode: true`
    const dir = handlersDir({ 'a.mjs': handlerText('a'), 'b.mjs': handlerText('b', own) })
    const [a, b] = (await loadFrom(dir)).handlers
    expect(b).toMatchObject({ breaker: { failures: 5, openForMs: 30_000 }, livemode: true })
    expect(a).not.toHaveProperty('breaker')
    expect(a).not.toHaveProperty('livemode')
  })

  it('may be an instance of a class, which keeps its this', async () => {
    const text = `class Crm { name = 'crm'; on = ['analysis.failed']; secret = 'kept'; handle() { return this.secret } }
      export default new Crm()`
    expect((await loadFrom(handlersDir({ 'crm.mjs': text }))).handlers).toMatchObject([
      { name: 'crm', on: ['analysis.failed'], ended: 'returned kept' },
    ])
  })

  it('may be ready only after an await at the top of its file', async () => {
    const text = `const name = await Promise.resolve('late')\n${handlerText('late')}`
    expect((await loadFrom(handlersDir({ 'late.mjs': text }))).handlers).toMatchObject([{ name: 'late' }])
  })

  it('as in the example that comes with the service can be used', async () => {
    const dir = handlersDir({ 'example.ts': readFileSync(EXAMPLE, 'utf8') })
    expect((await loadFrom(dir)).handlers).toMatchObject([{ name: 'example', on: ['analysis.completed'] }])
  })
})

describe('a handler outside the project', () => {
  const body = (name: string) =>
    `{ name: '${name}', on: ['analysis.completed'], handle() { throw new PermanentError('gone') } }`

  it('imports from callcov-webhook-receiver in TypeScript, in an ES module and with require', async () => {
    const dir = handlersDir({
      'a.ts': `import { defineHandler, PermanentError, type Delivery } from 'callcov-webhook-receiver'
        export const idOf = (delivery: Delivery) => delivery.id
        export default defineHandler(${body('a')})`,
      'b.mjs': `import { PermanentError } from 'callcov-webhook-receiver'\nexport default ${body('b')}`,
      'c.js': `const { PermanentError } = require('callcov-webhook-receiver')\nmodule.exports = ${body('c')}`,
    })
    const { handlers } = await loadFrom(dir)
    const ended = 'threw permanent: gone, final true, delay undefined'
    expect(handlers.map((handler) => handler.ended)).toEqual([ended, ended, ended])
  })

  it('may throw what a helper file beside it made from the package', async () => {
    const dir = handlersDir({
      '_busy.ts': `import { RetryLater } from 'callcov-webhook-receiver'\nexport const busy = () => new RetryLater('10m')`,
      'crm.ts': `import { busy } from './_busy.ts'
        export default { name: 'crm', on: ['analysis.completed'], handle() { throw busy() } }`,
    })
    const { handlers } = await loadFrom(dir)
    expect(handlers[0]?.ended).toBe(
      'threw failed: RetryLater: asked to come again later, final false, delay 600000',
    )
  })

  it('uses packages of its own', async () => {
    const dir = tempDir()
    mkdirSync(join(dir, 'node_modules/crm-client'), { recursive: true })
    writeFileSync(
      join(dir, 'node_modules/crm-client/package.json'),
      '{"name":"crm-client","main":"index.js"}',
    )
    writeFileSync(join(dir, 'node_modules/crm-client/index.js'), `exports.answer = 'from the client'`)
    const text = `import { answer } from 'crm-client'
      export default { name: 'crm', on: ['analysis.completed'], handle: () => answer }`
    writeFileSync(join(dir, 'crm.ts'), text)
    expect((await loadFrom(dir)).handlers).toMatchObject([{ ended: 'returned from the client' }])
  })
})
