export interface Answer {
  readonly status: number
  /** False when the server closes the connection behind it. */
  readonly keepsAlive: boolean
}

const HEAD_END = '\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

/** Reads the one answer that these bytes, as Latin-1, hold from their start; `undefined` while some are missing. */
export function readAnswer(text: string): Answer | undefined {
  const headEnd = text.indexOf(HEAD_END)
  if (headEnd === -1) return undefined
  const head = text.slice(0, headEnd)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  const isWhole =
    length === undefined
      ? !/\r\ntransfer-encoding: *chunked/i.test(head) || text.endsWith(LAST_CHUNK)
      : text.length >= headEnd + HEAD_END.length + Number(length)
  if (!isWhole) return undefined
  return { status: Number(head.slice(9, 12)), keepsAlive: !/\r\nconnection: *close/i.test(head) }
}
