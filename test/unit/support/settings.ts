import { inspect } from 'node:util'
import { expect } from 'vitest'
import { loadConfig } from '../../../src/config.ts'
import { StartError } from '../../../src/errors.ts'

/** A secret that is long enough. */
export const GOOD_SECRET = 'whsec_0123456789abcdef'

/** What every production service needs, besides what the test is about. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  CALLCOV_WEBHOOK_SECRET: GOOD_SECRET,
  REDIS_URL: 'redis://redis.example:6379',
}

/** The problems with these settings, one text each; empty when they can work. */
export function problemsOf(environment: NodeJS.ProcessEnv): string[] {
  const error = startErrorOf(() => loadConfig(environment))
  if (error === undefined) return []
  expect(error.code).toBe('CALLCOV_SETTINGS')
  const [, ...problems] = error.message.split('\n  - ')
  return problems
}

/** Everything that printing or logging the refusal of these settings could show. */
export function refusalText(environment: NodeJS.ProcessEnv): string {
  const error = startErrorOf(() => loadConfig(environment))
  return error === undefined ? '' : inspect(error, { depth: 10, showHidden: true })
}

function startErrorOf(work: () => unknown): StartError | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (error instanceof StartError) return error
    throw error
  }
}
