import { readFileSync } from 'node:fs'

/**
 * The sample bodies, byte for byte, with their signatures. The signatures were computed with
 * `openssl dgst -sha256 -hmac whsec_test_only_do_not_use_in_production`, never with the service's code.
 */
export const FIXTURES = [
  {
    file: 'callcov-completed.json',
    bytes: 4878,
    signature: '6381da0bd60da10c680a3f588b42bc94913bd5ada3518c4e32882237530e5881',
  },
  {
    file: 'callcov-completed-es.json',
    bytes: 4450,
    signature: 'f9456cf6de2dd26c0b1cc88eb66e16143cd966a37c6ab44107c82d04f975beb3',
  },
  {
    file: 'callcov-failed.json',
    bytes: 462,
    signature: '996ecc0be20f0b98cf7d8a57f07b32e79117b6707ee25363912d34c72b861e17',
  },
  {
    file: 'callcov-event-completed.json',
    bytes: 1963,
    signature: '67e63942b436cb7b80bb93bcd57d4485f6082710a32f0d2ec386aa9fa2e8cf37',
  },
  {
    file: 'callcov-event-failed.json',
    bytes: 243,
    signature: 'a5c566251043e73dbbf450384b24f39ea6bac10c81180ec2ae884ccadcd48825',
  },
] as const

export type FixtureFile = (typeof FIXTURES)[number]['file']

export function readFixture(file: FixtureFile): Buffer {
  return readFileSync(new URL(`../../fixtures/${file}`, import.meta.url))
}

export function fixtureJson(file: FixtureFile): Record<string, unknown> {
  return JSON.parse(readFixture(file).toString('utf8')) as Record<string, unknown>
}
