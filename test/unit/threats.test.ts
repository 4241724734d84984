import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** How many rows each group of the threat table has. */
const GROUPS = {
  SIG: 21,
  BOD: 15,
  HTTP: 10,
  REP: 13,
  RED: 19,
  PRO: 19,
  OVL: 9,
  ADM: 16,
  SSR: 10,
  LOG: 4,
  SEC: 1,
  SUP: 5,
  CON: 2,
  HAM: 6,
}
const LATER = /^(ADM|CON)-|^(REP-12|RED-16|OVL-07|HTTP-09)$/

const ids = Object.entries(GROUPS).flatMap(([group, count]) =>
  Array.from({ length: count }, (_, index) => `${group}-${String(index + 1).padStart(2, '0')}`),
)
const rows = readFileSync(`${ROOT}test/THREATS.md`, 'utf8')
  .split('\n')
  .filter((line) => /^\| [A-Z]+-\d\d /.test(line))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll(/[`\\]/g, '')))
  .map(([, id = '', file = '', name = '', form = '']) => ({ id, file, name, form }))

describe('test/THREATS.md', () => {
  it('has one line for each row of the threat table, in its order', () => {
    expect(ids).toHaveLength(150)
    expect(rows.map(({ id }) => id)).toEqual(ids)
  })

  it('puts off only what belongs to a later issue', () => {
    const putOff = rows.filter(({ name }) => name === 'belongs to a later issue').map(({ id }) => id)
    expect(putOff.filter((id) => !LATER.test(id))).toEqual([])
  })

  it('names tests that exist, each with whether it is the whole of the row', () => {
    const named = rows.filter(({ name }) => name !== 'belongs to a later issue')
    expect(named.length).toBeGreaterThan(100)
    for (const { id, file, name, form } of named) {
      expect([id, existsSync(ROOT + file)]).toEqual([id, true])
      expect([id, titles(ROOT + file).includes(name) && name]).toEqual([id, name])
      expect([id, form === '']).toEqual([id, false])
    }
  })
})

/** All texts that begin the arguments of a call in a file, the titles of its tests among them; `%s` for a variable. */
function titles(path: string): string[] {
  const texts = readFileSync(path, 'utf8').matchAll(/\(\s*(['"`])((?:(?!\1)[^\\\n]|\\.)+)\1/g)
  return [...texts].map(([, , text = '']) => text.replaceAll('\\', '').replaceAll(/\$\{\w+\}/g, '%s'))
}
