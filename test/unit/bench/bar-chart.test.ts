import { expect, it } from 'vitest'
import { drawBarChart } from '../../../bench/report/bar-chart.ts'

const bar = (label: string, value: number) => ({ label, value, text: `${value}/s`, isEmphasised: false })
const widthsOf = (svg: string) =>
  [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map((match) => Number(match[1]))

it('draws each bar as long as its value is part of the greatest of its panel', () => {
  const svg = drawBarChart([
    { title: 'small', bars: [bar('a', 100), bar('b', 25)] },
    { title: 'large', bars: [bar('a', 1)] },
  ])
  const [full = 0, quarter = 0, other] = widthsOf(svg)
  expect(quarter).toBeCloseTo(full / 4, 0)
  expect(other).toBe(full)
})

it('writes labels as text, whatever they hold', () => {
  const svg = drawBarChart([{ title: 'a < b & c', bars: [bar('<script>', 1)] }])
  expect(svg).toContain('a &lt; b &amp; c')
  expect(svg).not.toContain('<script>')
})

it('survives a contender that accepted nothing', () => {
  expect(widthsOf(drawBarChart([{ title: 'none', bars: [bar('a', 0)] }]))).toEqual([1])
})
