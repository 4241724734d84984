/** More mistakes than these are no typing error. */
const MAX_DISTANCE = 3

/** The name that a mistyped one most probably stands for; `undefined` when none is near. */
export function nearestName(mistyped: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({
    name,
    distance: distance(mistyped.toLowerCase(), name.toLowerCase()),
  }))
  const [nearest] = distances.toSorted((a, b) => a.distance - b.distance)
  return nearest !== undefined && nearest.distance <= MAX_DISTANCE ? nearest.name : undefined
}

/** How many characters must be added, removed or changed to make one text of the other (Levenshtein). */
function distance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [row, character] of from.split('').entries()) {
    const current = [row + 1]
    for (const [column, other] of to.split('').entries()) {
      const changed = (previous[column] ?? 0) + (character === other ? 0 : 1)
      current.push(Math.min(changed, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}
