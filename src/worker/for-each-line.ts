import type { Readable } from 'node:stream'

const MAX_LINE_CHARACTERS = 1024 * 1024

/** Hands on each line with its end. Node's readline takes U+2028 for an end too, which JSON may hold. */
export function forEachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(`${line}\n`)
    if (rest.length < MAX_LINE_CHARACTERS) return
    onLine(`${rest}\n`)
    rest = ''
  })
  stream.on('end', () => {
    if (rest !== '') onLine(`${rest}\n`)
  })
}
