import { connect } from 'node:net'

export interface RawAnswer {
  readonly text: string
  /** Status codes in the order they came. */
  readonly statuses: number[]
  /** From the first byte sent until the connection was closed. */
  readonly durationMs: number
}

/**
 * Sends exact bytes over a socket and collects what comes back until the server closes, or `quietMs` after the
 * last byte. `keepSending` writes one more byte each time it is called.
 */
export async function rawRequest(
  url: string,
  parts: string | Buffer | readonly (string | Buffer)[],
  {
    quietMs = 150,
    onConnected,
  }: { quietMs?: number; onConnected?: (write: (text: string) => void) => void } = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const startedAt = performance.now()
  const { promise, resolve } = Promise.withResolvers<void>()
  let text = ''
  let quiet: NodeJS.Timeout | undefined
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    clearTimeout(quiet)
    quiet = setTimeout(() => socket.destroy(), quietMs)
  })
  socket.on('error', () => {})
  socket.on('close', () => resolve())
  for (const part of Array.isArray(parts) ? parts : [parts]) socket.write(part)
  onConnected?.((more) => void (socket.writable && socket.write(more)))
  await promise
  clearTimeout(quiet)
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((match) => Number(match[1]))
  return { text, statuses, durationMs: performance.now() - startedAt }
}
