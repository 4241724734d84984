import { errorCode } from './errors.ts'

/** Longest text of an error that is logged or stored. */
const TEXT_CHARACTERS = 500
/** SQLSTATE, as database drivers give it. */
const SQLSTATE = /^[0-9A-Z]{5}$/

/**
 * What an error says, in a form that may be logged and stored: cut, and without the data it failed on where errors of
 * its kind quote them. May throw when the error's own fields do.
 */
export function safeErrorText(error: object): string {
  const { name, message } = error as Partial<Error>
  const kind = typeof name === 'string' ? name : 'Error'
  if (typeof message !== 'string') return 'an object was thrown that is no error'
  // V8 quotes the text around the place: "Unexpected token 'A', "Agent: Go"... is not valid JSON".
  if (error instanceof SyntaxError && message.includes('JSON')) return `${kind}: a text is not valid JSON`
  const code = errorCode(error)
  if (code !== undefined && SQLSTATE.test(code))
    return `${kind}: database error ${code}${databaseNames(error)}`
  // `fetch` says only "fetch failed", and why in its cause.
  const causeCode = errorCode((error as Partial<Error>).cause)
  const cause = causeCode === undefined ? '' : ` (${causeCode})`
  return `${kind}: ${message}`.slice(0, TEXT_CHARACTERS) + cause.slice(0, 50)
}

/** What a database names of its own schema; its messages and details quote values. */
function databaseNames(error: object): string {
  const fields = error as Record<string, unknown>
  const names = ['table', 'column', 'constraint'].filter((field) => typeof fields[field] === 'string')
  return names.map((field) => `, ${field} ${String(fields[field]).slice(0, 100)}`).join('')
}
