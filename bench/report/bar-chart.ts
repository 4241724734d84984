export interface Panel {
  readonly title: string
  readonly bars: readonly Bar[]
}

export interface Bar {
  readonly label: string
  readonly value: number
  /** As it is written behind the bar. */
  readonly text: string
  /** Of ours. */
  readonly isEmphasised: boolean
}

const WIDTH = 760
const LABEL_WIDTH = 190
const TEXT_WIDTH = 90
const BAR_HEIGHT = 18
const ROW_HEIGHT = 26
const TITLE_HEIGHT = 34
const MARGIN = 16

/** Panels of horizontal bars, each with a scale of its own, as an SVG that reads on light and dark pages. */
export function drawBarChart(panels: readonly Panel[]): string {
  let y = MARGIN
  const parts = panels.map((panel) => {
    const drawn = drawPanel(panel, y)
    y += TITLE_HEIGHT + panel.bars.length * ROW_HEIGHT + MARGIN
    return drawn
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="13">
<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`
}

function drawPanel({ title, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE)
  const room = WIDTH - LABEL_WIDTH - TEXT_WIDTH - 2 * MARGIN
  const rows = bars.map(({ label, value, text, isEmphasised }, index) => {
    const y = top + TITLE_HEIGHT + index * ROW_HEIGHT
    const width = Math.max((value / most) * room, 1).toFixed(1)
    const x = MARGIN + LABEL_WIDTH
    const baseline = y + BAR_HEIGHT - 4
    return [
      `<text x="${x - 8}" y="${baseline}" text-anchor="end" fill="#333333">${escapeXml(label)}</text>`,
      `<rect x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" fill="${isEmphasised ? '#1f6f5c' : '#a9b4b0'}"/>`,
      `<text x="${x + Number(width) + 6}" y="${baseline}" fill="#333333">${escapeXml(text)}</text>`,
    ].join('\n')
  })
  const heading = `<text x="${MARGIN}" y="${top + 18}" font-weight="bold" fill="#111111">${escapeXml(title)}</text>`
  return [heading, ...rows].join('\n')
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
