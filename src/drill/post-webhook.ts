import { request, type Agent } from 'node:http'
import { errorCode } from '../errors.ts'

/** CallCov waits as long. */
const TIMEOUT_MS = 30_000

/** Posts one signed body and resolves with the status, or the error code when the connection was cut. */
export async function postWebhook(
  url: string,
  agent: Agent,
  { body, signature }: { readonly body: Buffer; readonly signature: string },
): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>()
  const cut = (error: Error) => resolve(errorCode(error) ?? error.message)
  const headers = {
    'content-type': 'application/json',
    'content-length': body.length,
    'x-callcov-signature': signature,
  }
  const outgoing = request(url, { method: 'POST', agent, headers, timeout: TIMEOUT_MS }, (answer) => {
    answer.once('error', cut)
    answer.once('end', () => resolve(answer.statusCode ?? 0))
    answer.resume()
  })
  outgoing.once('timeout', () => outgoing.destroy(new Error(`none within ${TIMEOUT_MS / 1000} s`)))
  outgoing.on('error', cut)
  outgoing.end(body)
  return await promise
}
