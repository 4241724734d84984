import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { Redis, type Callback, type Result } from 'ioredis'

/** The least that keeps the promise: Node's own server, the signature, the id, and one small step in Redis. */

const { PORT, CALLCOV_WEBHOOK_SECRET = '', REDIS_URL = '' } = process.env
const REMEMBER_MS = 30 * 24 * 3_600_000

const redis = new Redis(REDIS_URL)
redis.defineCommand('remember', {
  numberOfKeys: 2,
  lua: `
    if redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then redis.call('XADD', KEYS[2], '*', 'body', ARGV[2]) end
  `,
})

createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const given = Buffer.from(String(request.headers['x-callcov-signature']), 'hex')
    const expected = createHmac('sha256', CALLCOV_WEBHOOK_SECRET).update(body).digest()
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      response.writeHead(401).end()
      return
    }
    const { id } = JSON.parse(body.toString()) as { id: string }
    redis.remember(`seen:${id}`, 'webhooks', REMEMBER_MS, body).then(
      () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"received":true}'),
      () => response.writeHead(503).end(),
    )
  })
}).listen(Number(PORT), '127.0.0.1')

declare module 'ioredis' {
  interface RedisCommander<Context> {
    remember(
      seen: string,
      stream: string,
      forMs: number,
      body: Buffer,
      callback?: Callback<null>,
    ): Result<null, Context>
  }
}
