import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it, type TestContext } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const WITHIN_MS = 45_000
/** What npm says when the registry it is told to use does not answer such questions. */
const NO_ANSWER = /endpoint returned an error|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|40[345]/i

it('SUP-01: no package that runs in production has a known hole', (context) => {
  expectNothingFound(context, ['audit', '--omit=dev', '--audit-level=low'])
})

it('SUP-04: every package is signed by the registry', (context) => {
  expectNothingFound(context, ['audit', 'signatures'])
})

/** Skips, and says so, where no registry answers: then nothing is known either way. */
function expectNothingFound({ task, skip }: TestContext, args: string[]): void {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: WITHIN_MS } as const
  const { status, stdout, stderr } = spawnSync('npm', args, options)
  const said = stdout + stderr
  if (status === null || (NO_ANSWER.test(said) && !/vulnerabilit|invalid signature/i.test(said))) {
    Object.assign(task.meta, { skipReason: `no registry answered npm ${args[0]}` })
    skip()
  }
  expect([status, said]).toEqual([0, said])
}
