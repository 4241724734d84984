/** Control characters, ANSI escapes and what turns the direction of a line or breaks it. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu

/** A text that may come from anybody, as a terminal can show it without harm: escaped as in JSON, and cut. */
export function escapeText(text: string, maxCharacters = Infinity): string {
  // Cut before, too: it may be as long as a body. A character takes at most two places.
  const head = text.slice(0, maxCharacters * 2)
  const characters = Array.from(head.replaceAll(UNPRINTABLE, (character) => escapeCharacter(character)))
  const isWhole = head.length === text.length && characters.length <= maxCharacters
  return isWhole ? characters.join('') : `${characters.slice(0, maxCharacters - 1).join('')}…`
}

/** The value whole, on a line of its own that a terminal can show without harm. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value).replaceAll(UNPRINTABLE, toUnicodeEscapes)}\n`
}

/** As JSON writes it where it has a short form. */
function escapeCharacter(character: string): string {
  const escaped = JSON.stringify(character).slice(1, -1)
  return escaped === character ? toUnicodeEscapes(character) : escaped
}

function toUnicodeEscapes(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
