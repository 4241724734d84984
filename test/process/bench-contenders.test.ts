import { describe, expect, it, onTestFinished } from 'vitest'
import { CONTENDERS } from '../../bench/contenders/contenders.ts'
import { missingNeeds } from '../../bench/contenders/installed.ts'
import { probe } from '../../bench/contenders/probe.ts'
import { startContender } from '../../bench/contenders/start-contender.ts'
import { Belongings } from '../../src/drill/belongings.ts'
import { needs } from '../support/needs.ts'
import { tempDir } from '../support/temp-dir.ts'

describe.each(CONTENDERS)('the contender $id', (contender) => {
  const { guarantees } = contender
  const wrong = guarantees.signature ? 'refuses a wrong one' : 'does not look at it'
  it(`answers 200 to a right signature and ${wrong}`, needs(missingNeeds(contender.needs)), async () => {
    const belongings = new Belongings(undefined)
    onTestFinished(belongings.destroy)
    const running = await startContender(contender, {
      folder: tempDir(),
      belongings,
      signal: new AbortController().signal,
      environment: { PATH: process.env.PATH, HOME: process.env.HOME },
    })
    expect(await probe(running.port)).toBe(200)
    const status = await probe(running.port, 'another secret')
    if (guarantees.signature) expect(status).not.toBe(200)
    else expect(status).toBe(200)
    running.expectAlive()
    await running.stop()
  })
})
