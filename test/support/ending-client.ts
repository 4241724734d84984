import { connect } from 'node:net'

/** Sends bytes, ends its side of the connection, and returns the status codes that came back until it was closed. */
export async function sendAndEnd(url: string, text: string): Promise<number[]> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const { promise, resolve } = Promise.withResolvers<void>()
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => resolve())
  socket.end(text)
  await promise
  return statusesOf(answer)
}

/** Sends bytes and hangs up without a word after so many milliseconds. */
export async function sendAndHangUp(url: string, text: string, afterMs: number): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.on('error', () => {})
  socket.on('close', () => resolve())
  socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), afterMs))
  await promise
}

/** The status codes of answers that follow each other on one connection, without anything between them. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
}
