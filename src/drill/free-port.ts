import { createServer } from 'node:net'

/**
 * A free port below those that systems give to outgoing connections: while nobody listens on one of theirs, a
 * connection of the sender may be given that very port, connect to itself and keep the service from starting again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    if (await promise) return port
  }
}
