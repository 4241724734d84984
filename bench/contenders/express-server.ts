import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Queue } from 'bullmq'
import express from 'express'
import { Redis } from 'ioredis'

/** As tutorials have it: Express with its JSON parser, the signature, and the parsed body in a queue. */

const { PORT, CALLCOV_WEBHOOK_SECRET = '', REDIS_URL = '' } = process.env
const rawBodies = new WeakMap<IncomingMessage, Buffer>()
const queue = new Queue('webhooks', { connection: new Redis(REDIS_URL) })

const app = express()
app.use(
  express.json({ limit: '10mb', verify: (request, _response, body) => void rawBodies.set(request, body) }),
)
app.post('/webhooks/callcov', async (request, response) => {
  const given = Buffer.from(String(request.headers['x-callcov-signature']), 'hex')
  const body = rawBodies.get(request) ?? Buffer.alloc(0)
  const expected = createHmac('sha256', CALLCOV_WEBHOOK_SECRET).update(body).digest()
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    response.status(401).json({ error: 'Invalid signature' })
    return
  }
  const { id, status } = request.body as { id: string; status: string }
  // eslint-disable-next-line no-console -- as they all do
  console.log(`webhook ${id}: ${status}`)
  await queue.add('webhook', request.body)
  response.json({ received: true })
})
app.listen(Number(PORT), '127.0.0.1')
