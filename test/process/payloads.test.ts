import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { completedAnalysis, post, SECRET } from '../support/deliveries.ts'
import { startService } from '../support/service.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait.ts'

/** The signatures that came with the sample bodies, made outside this project. */
const SAMPLES: readonly [file: string, signature: string, event: Record<string, unknown>][] = [
  [
    'callcov-completed.json',
    '6381da0bd60da10c680a3f588b42bc94913bd5ada3518c4e32882237530e5881',
    { type: 'analysis.completed', analysisId: '7c9e3b52-4f0d-4d0a-9a53-1f6e2b8c7d41', livemode: null },
  ],
  [
    'callcov-completed-es.json',
    'f9456cf6de2dd26c0b1cc88eb66e16143cd966a37c6ab44107c82d04f975beb3',
    {
      type: 'analysis.completed',
      livemode: false,
      call: { agentId: 'agente_iñigo', contactId: 'cliente_5521' },
    },
  ],
  [
    'callcov-failed.json',
    '996ecc0be20f0b98cf7d8a57f07b32e79117b6707ee25363912d34c72b861e17',
    {
      type: 'analysis.failed',
      error: { message: 'Audio could not be decoded: the stream ended after 0 frames' },
    },
  ],
  [
    'callcov-event-completed.json',
    '67e63942b436cb7b80bb93bcd57d4485f6082710a32f0d2ec386aa9fa2e8cf37',
    { type: 'analysis.completed', analysisId: 'anl_7Qm2xKc41v', partial: false },
  ],
  [
    'callcov-event-failed.json',
    'a5c566251043e73dbbf450384b24f39ea6bac10c81180ec2ae884ccadcd48825',
    { type: 'analysis.failed', analysisId: 'anl_9tB0ZrW5hd', error: { code: 'invalid_file_format' } },
  ],
]

/** Notes each whole event. */
function noting(file: string): string {
  return `import { appendFileSync } from 'node:fs'
export default { name: 'noting', on: ['analysis.completed', 'analysis.failed'],
  handle: (event, { delivery }) => {
    const body = delivery.body().toString('base64')
    appendFileSync(${JSON.stringify(file)}, JSON.stringify({ ...event, body }) + '\\n')
  } }`
}

it('hands every sample body of the provider to a handler as the right event, byte for byte', async () => {
  const file = join(tempDir(), 'events')
  const service = await startService({ handlers: { 'noting.js': noting(file) } })
  for (const [name, signature, expected] of SAMPLES) {
    const body = readFileSync(new URL(`../fixtures/${name}`, import.meta.url))
    expect((await postSigned(service.webhookUrl, body, signature)).status).toBe(200)
    const event = await waitFor('the event', () =>
      notedEvents(file).find((noted) => noted.body === body.toString('base64')),
    )
    expect(event).toMatchObject({ source: 'callcov', ...expected })

    const changed = Buffer.from(body)
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1
    expect((await postSigned(service.webhookUrl, changed, signature)).status).toBe(401)
  }
})

it.each(['openssl', 'python3'] as const)(
  'accepts what %s signs: accents, a byte-order mark, 5 MB',
  async (signer) => {
    const file = join(tempDir(), 'events')
    const service = await startService({ handlers: { 'noting.js': noting(file) } })
    const long = { text: 'ñandú €, '.repeat(500_000), segments: [] }
    const bodies = [
      Buffer.from(JSON.stringify({ ...completedAnalysis(), call: { agent_id: 'Íñigo Peña €' } })),
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(JSON.stringify(completedAnalysis()))]),
      Buffer.from(JSON.stringify({ ...completedAnalysis(), id: randomUUID(), transcript: long })),
    ]
    expect(bodies[2]?.length).toBeGreaterThan(5_000_000)
    for (const body of bodies) {
      expect((await postSigned(service.webhookUrl, body, signWith(signer, body))).status).toBe(200)
      await waitFor('the event', () =>
        notedEvents(file).some((noted) => noted.body === body.toString('base64')),
      )
    }
  },
)

function signWith(signer: 'openssl' | 'python3', body: Buffer): string {
  const program =
    'import hmac,sys; print(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), "sha256").hexdigest())'
  const [command, args] =
    signer === 'openssl'
      ? (['openssl', ['dgst', '-sha256', '-hmac', SECRET]] as const)
      : (['python3', ['-c', program, SECRET]] as const)
  return /[0-9a-f]{64}/.exec(execFileSync(command, args, { input: body, encoding: 'utf8' }))?.[0] ?? ''
}

async function postSigned(url: string, body: Buffer, signature: string): Promise<Response> {
  return await post(url, { body, headers: { 'x-callcov-signature': signature } })
}

function notedEvents(file: string): Record<string, unknown>[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  } catch {
    return []
  }
}
