/** Words of a name whose truth is the problem: `flagged`, `violation_found`, `missing_disclosures`. */
const PROBLEM_WORDS = new Set(
  (
    'flag flags flagged violation violations violated breach breaches breached fail failed failing fails failure ' +
    'failures detected missing missed prohibited forbidden issue issues problem problems error errors risk risks ' +
    'risky noncompliant unverified undisclosed incomplete abusive abuse threat threats warning warnings alert alerts fraud suspicious escalated'
  ).split(' '),
)
/** Words that turn the others round: `no_violations`, `not_disclosed`. */
const NEGATIONS = new Set(['no', 'non', 'not', 'without'])
/** Words of a number that measures and does not count problems: `risk_score`. */
const MEASURES = new Set(
  'score scores rate ratio percent percentage probability confidence threshold limit time timestamp duration seconds ms'.split(
    ' ',
  ),
)
/** Words of a setting, which is neither fine nor a problem: `consent_required`. */
const SETTINGS = new Set(['required', 'requires', 'needs', 'applicable', 'enabled', 'optional'])
const VERDICT_NAMES = new Set(['status', 'result', 'outcome', 'verdict'])
const BAD_VERDICT =
  /^(fail(ed|ure)?|violat(ion|ed)|breach(ed)?|flagged|non[ _-]?compliant|not[ _-]compliant)$/i
/** The provider's own judgement of the object that it stands in. */
const JUDGEMENT = 'flagged'
const MAX_FLAGS = 50
const MAX_DEPTH = 20
const MAX_VALUES = 20_000
/** A name may be as long as a body. */
const NAME_CHARACTERS = 100

interface Search {
  readonly flags: string[]
  values: number
}

/**
 * The places below `results` that report a problem, as dotted paths. A place counts when it is
 * - an object with `flagged: true`; with `flagged: false` only objects inside it can count
 * - a check that is false (`passed`, `read`, `verified`), or a problem that is true (`violation`, `detected`)
 * - a list of problems that is not empty, or a number of them above 0 (`violations`, `missing_disclosures`)
 * - a verdict such as `status: "failed"`
 * - what a path names directly, when it is a list of texts or a number: not empty, above 0
 * What is absent, null or of any other form is none.
 */
export function findFlags(results: unknown, paths: readonly string[]): string[] {
  const search: Search = { flags: [], values: 0 }
  for (const path of paths) {
    const names = path.split('.')
    const value = names.reduce<unknown>(
      (parent, name) => (isObject(parent) && Object.hasOwn(parent, name) ? parent[name] : undefined),
      results,
    )
    const isCountOfProblems = typeof value === 'number' && value > 0
    const isListOfTexts = Array.isArray(value) && value.some((item) => typeof item === 'string')
    if (isCountOfProblems || isListOfTexts) search.flags.push(path)
    else examine(value, path, names.at(-1) ?? '', search, 0)
  }
  return [...new Set(search.flags)].slice(0, MAX_FLAGS)
}

function examine(value: unknown, path: string, name: string, search: Search, depth: number): void {
  search.values += 1
  if (depth > MAX_DEPTH || search.values > MAX_VALUES || search.flags.length > MAX_FLAGS) return
  if (isProblem(name, value)) search.flags.push(path)
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) examine(item, `${path}[${index}]`, '', search, depth + 1)
  } else if (isObject(value)) examineObject(value, path, search, depth)
}

function examineObject(
  object: Readonly<Record<string, unknown>>,
  path: string,
  search: Search,
  depth: number,
): void {
  const isJudged = Object.hasOwn(object, JUDGEMENT) && typeof object[JUDGEMENT] === 'boolean'
  if (isJudged && object[JUDGEMENT] === true) search.flags.push(path)
  for (const [name, value] of Object.entries(object)) {
    // Without its name only what is inside it can count.
    examine(value, `${path}.${name}`, isJudged ? '' : name, search, depth + 1)
  }
}

function isProblem(name: string, value: unknown): boolean {
  if (name === '') return false
  if (typeof value === 'boolean') return value === isNameOfProblem(name) && !hasWordOf(name, SETTINGS)
  if (typeof value === 'number') return value > 0 && isNameOfProblem(name) && !hasWordOf(name, MEASURES)
  if (typeof value === 'string') return VERDICT_NAMES.has(name.toLowerCase()) && BAD_VERDICT.test(value)
  return Array.isArray(value) && value.length > 0 && isNameOfProblem(name)
}

function isNameOfProblem(name: string): boolean {
  return hasWordOf(name, PROBLEM_WORDS) !== hasWordOf(name, NEGATIONS)
}

function hasWordOf(name: string, words: ReadonlySet<string>): boolean {
  return wordsOf(name).some((word) => words.has(word))
}

/** `missing_disclosures` and `missingDisclosures` are the same two words. */
function wordsOf(name: string): string[] {
  return name
    .slice(0, NAME_CHARACTERS)
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
