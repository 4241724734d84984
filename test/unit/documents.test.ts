import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { SETTING_NAMES } from '../../src/config.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Every tool knows this one; it is no setting of this service. */
const EXPLAINED_NOWHERE = new Set(['NODE_ENV'])
const settings = [...SETTING_NAMES].filter((name) => !EXPLAINED_NOWHERE.has(name)).toSorted()

it('.env.example explains every setting and no other', () => {
  const explained = [...read('.env.example').matchAll(/^#([A-Z_]+)=/gm)].map((match) => match[1])
  expect(explained.toSorted()).toEqual(settings)
})

it('the README lists every setting and no other', () => {
  const section = /## Settings\n([\s\S]*?)\n## /.exec(read('README.md'))?.[1] ?? ''
  const rows = [...section.matchAll(/^\| (`[^|]+) \|/gm)].map((match) => match[1] ?? '')
  const listed = rows.flatMap((row) => {
    const names = [...row.matchAll(/`([A-Z_]+)`/g)].map((match) => match[1] ?? '')
    return names.map((name) => (name === '_FILE' ? `${names[0]}_FILE` : name))
  })
  expect(listed.toSorted()).toEqual(settings)
})

it('no document links to a file that is not there', () => {
  for (const file of globSync(['*.md', 'docs/*.md'], { cwd: ROOT })) {
    const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '')
    for (const link of links)
      expect([file, link, existsSync(join(ROOT, dirname(file), link))]).toEqual([file, link, true])
  }
})
