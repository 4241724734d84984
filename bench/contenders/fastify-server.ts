import Fastify from 'fastify'

/** What the framework of the service can do at most: it reads the body and answers. */

const app = Fastify({ bodyLimit: 10 * 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => body)
app.post('/webhooks/callcov', async () => ({ received: true }))
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
