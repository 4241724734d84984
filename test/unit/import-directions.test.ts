import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const SRC = fileURLToPath(new URL('../../src/', import.meta.url))
const IMPORT = /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g
/** They put the parts together, so whoever imports them imports everything. */
const ASSEMBLY = ['main.ts', 'service.ts']

interface SourceFile {
  readonly path: string
  readonly text: string
  /** Paths inside src, and names of packages. */
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8')
    const specifiers = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '')
    const imports = specifiers.map((name) => (name.startsWith('.') ? posix.join(dirname(path), name) : name))
    return { path, text, imports }
  })

/** `<file> imports <what>` for each import in this folder that breaks the rule. */
function breaches(folder: string, isBreach: (imported: string) => boolean): string[] {
  return files
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .flatMap(({ path, imports }) => imports.filter(isBreach).map((imported) => `${path} imports ${imported}`))
}

const isIn = (folders: readonly string[]) => (imported: string) =>
  folders.some((folder) => imported.startsWith(`${folder}/`))
const isPackage = (names: readonly string[]) => (imported: string) =>
  names.some(
    (name) => imported === name || imported.startsWith(`${name}/`) || imported.startsWith(`@${name}/`),
  )
const isOurs = (imported: string) => files.some(({ path }) => path === imported)
const isTopLevel = (imported: string) => !imported.includes('/') && !ASSEMBLY.includes(imported)

describe('the import lines', () => {
  it('are read rightly: what is known to be imported is seen', () => {
    const importsOf = (path: string) => files.find((file) => file.path === path)?.imports
    expect(importsOf('receiver/app.ts')).toEqual(
      expect.arrayContaining(['fastify', 'inbox/inbox.ts', 'errors.ts']),
    )
    expect(importsOf('index.ts')).toContain('sources/callcov/events.ts')
    expect(importsOf('log-output.ts')).toContain('pino-pretty')
    expect(importsOf('handlers/loader.ts')).toEqual(
      expect.arrayContaining(['node:fs', 'handlers/read-handler.ts']),
    )
    expect(importsOf('handlers/builtin-handlers.ts')).toContain('handlers/builtin/log.ts')
  })

  it('name files that exist', () => {
    const missing = files.flatMap(({ path, imports }) =>
      imports
        .filter((name) => name.endsWith('.ts') && !isOurs(name))
        .map((name) => `${path} imports ${name}`),
    )
    expect(missing).toEqual([])
  })
})

describe('imports run one way', () => {
  it.each(['sources', 'handlers'])('%s knows neither HTTP server nor queue, nor who uses it', (folder) => {
    expect(breaches(folder, isIn(['receiver', 'inbox', 'worker', 'admin', 'cli']))).toEqual([])
    expect(breaches(folder, isPackage(['fastify', 'ioredis', 'bullmq']))).toEqual([])
  })

  it('a source knows no handler', () => {
    expect(breaches('sources', isIn(['handlers']))).toEqual([])
  })

  it('the inbox knows nothing of HTTP, of providers or of handlers', () => {
    expect(breaches('inbox', isIn(['receiver', 'sources', 'worker', 'handlers', 'admin', 'cli']))).toEqual([])
    expect(breaches('inbox', isPackage(['fastify']))).toEqual([])
  })

  it('the receiver knows sources, the inbox and what all share, and never the worker', () => {
    const isAllowed = (imported: string) =>
      isTopLevel(imported) || isIn(['receiver', 'sources', 'inbox'])(imported)
    expect(breaches('receiver', (imported) => isOurs(imported) && !isAllowed(imported))).toEqual([])
  })

  it('the worker knows the inbox, sources, handlers and what all share, and no HTTP', () => {
    const folders = ['worker', 'inbox', 'sources', 'handlers']
    const isAllowed = (imported: string) => isTopLevel(imported) || isIn(folders)(imported)
    expect(breaches('worker', (imported) => isOurs(imported) && !isAllowed(imported))).toEqual([])
    expect(breaches('worker', isPackage(['fastify']))).toEqual([])
  })

  it('nothing reaches outside src, into tests or the bench, but for the version', () => {
    const outside = files.flatMap(({ imports }) => imports.filter((imported) => imported.startsWith('../')))
    expect(new Set(outside)).toEqual(new Set(['../package.json']))
  })

  it('the admin part knows the inbox, sources and what all share', () => {
    const isAllowed = (imported: string) =>
      isTopLevel(imported) || isIn(['admin', 'inbox', 'sources'])(imported)
    expect(breaches('admin', (imported) => isOurs(imported) && !isAllowed(imported))).toEqual([])
  })
})

describe('the process', () => {
  it.each([
    ['reads the environment', /\bprocess\.env\b/],
    ['ends it', /\bprocess\.exit/],
    ['handles its signals', /\bprocess\.(?:on|once|addListener)\(\s*['"]SIG/],
  ])('has one file that %s: main.ts', (_what, pattern) => {
    const mentioning = files.filter(({ text }) => pattern.test(text)).map(({ path }) => path)
    expect(mentioning).toEqual(['main.ts'])
  })
})
