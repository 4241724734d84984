import { HttpClient } from '../../src/handlers/builtin/http/post.ts'

/** A process that posts once to the address it is given, and writes the status or the text of the error. */
const [url = ''] = process.argv.slice(2)
const client = new HttpClient({ maxSockets: 1, allowPrivate: ['127.0.0.1'] })
const request = {
  headers: {},
  body: Buffer.from('{}'),
  timeoutMs: 5000,
  signal: new AbortController().signal,
}
const result = await client.post(url, request).then(
  ({ status }) => String(status),
  (error: Error) => error.message,
)
process.stdout.write(result)
client.close()
