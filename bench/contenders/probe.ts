import { SIGNATURE_HEADER } from '../../src/sources/callcov/signature.ts'
import { fillTemplate, makeTemplates } from '../load/bodies.ts'
import { SECRET, WEBHOOK_PATH } from '../load/signed-requests.ts'
import { createHmac, randomUUID } from 'node:crypto'

/** The status that one signed webhook is answered with; `undefined` when nobody answers. */
export async function probe(port: number, secret = SECRET): Promise<number | undefined> {
  const [template] = makeTemplates('1.5KB')
  if (template === undefined) return undefined
  const body = fillTemplate(template, randomUUID())
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  try {
    const response = await fetch(`http://127.0.0.1:${port}${WEBHOOK_PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [SIGNATURE_HEADER]: signature },
      body: new Uint8Array(body),
    })
    await response.arrayBuffer()
    return response.status
  } catch {
    return undefined
  }
}
