/** Lines of short texts for a terminal, in columns as wide as they need. */
export function formatTable(lines: readonly (readonly string[])[]): string {
  const columns = lines.reduce((most, line) => Math.max(most, line.length), 0)
  const widths = Array.from({ length: columns }, (_, column) =>
    lines.reduce((widest, line) => Math.max(widest, widthOf(line[column] ?? '')), 0),
  )
  return lines.map((line) => `${formatLine(line, widths)}\n`).join('')
}

function formatLine(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)))
  return padded.join('  ').trimEnd()
}

function widthOf(text: string): number {
  return Array.from(text).length
}
