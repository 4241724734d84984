import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { verifySignature } from '../../../../src/sources/callcov/signature.ts'
import { SECRET, sign } from '../../../support/deliveries.ts'

const SAMPLES = 100_000
/** What a leak of one compared byte at a time would exceed by far (see below), and chance does not reach in three rounds. */
const WELCH_LIMIT = 10
const ROUNDS = 3

it('SIG-18: checking a signature takes as long for 31 right bytes as for none', () => {
  // Many, so that the processor does not learn the digits of one by heart.
  const cases = Array.from({ length: 256 }, () => {
    const body = randomBytes(64)
    const near = Buffer.from(sign(body), 'hex')
    near.writeUInt8(near.readUInt8(31) ^ 1, 31)
    const far = randomBytes(32)
    const header = (bytes: Buffer) => ({ 'x-callcov-signature': bytes.toString('hex') })
    return { body, near: header(near), far: header(far) }
  })
  const check = (kind: 'near' | 'far', sample: number) => {
    const { body, [kind]: headers } = cases[(sample * 31) % cases.length] ?? {
      body: Buffer.alloc(0),
      near: {},
      far: {},
    }
    const startedAt = process.hrtime.bigint()
    verifySignature(headers, body, [SECRET])
    return Number(process.hrtime.bigint() - startedAt)
  }
  // A busy machine disturbs a round, not all of them; a leak shows in each.
  const rounds = Array.from({ length: ROUNDS }, () => {
    const times: { near: number[]; far: number[] } = { near: [], far: [] }
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const kind = Math.random() < 0.5 ? 'near' : 'far'
      times[kind].push(check(kind, sample))
    }
    return Math.abs(welch(undisturbed(times.near), undisturbed(times.far)))
  })
  expect(Math.min(...rounds)).toBeLessThan(WELCH_LIMIT)
}, 60_000)

it('SIG-18: the same measure finds the leak of a comparison that stops at the first difference', () => {
  const compare = (a: Buffer, b: Buffer) => {
    for (let index = 0; index < a.length; index += 1) {
      if (a[index] !== b[index]) return false
      for (let delay = 0; delay < 20; delay += 1) Math.sqrt(delay)
    }
    return true
  }
  const secret = randomBytes(32)
  const near = Buffer.from(secret)
  near.writeUInt8(near.readUInt8(31) ^ 1, 31)
  const far = Buffer.from(secret.map((byte) => byte ^ 0xff))
  const times: { far: number[]; near: number[] } = { far: [], near: [] }
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const kind = Math.random() < 0.5 ? 'far' : 'near'
    const startedAt = process.hrtime.bigint()
    compare(kind === 'far' ? far : near, secret)
    times[kind].push(Number(process.hrtime.bigint() - startedAt))
  }
  expect(Math.abs(welch(undisturbed(times.far), undisturbed(times.near)))).toBeGreaterThan(WELCH_LIMIT)
})

/** Without the slowest tenth, which garbage collection and other processes make. */
function undisturbed(times: number[]): number[] {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted.slice(0, Math.floor(sorted.length * 0.9))
}

function welch(first: number[], second: number[]): number {
  const [a, b] = [moments(first), moments(second)]
  return (a.mean - b.mean) / Math.sqrt(a.variance / first.length + b.variance / second.length)
}

function moments(values: number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, variance: squares / (values.length - 1) }
}
