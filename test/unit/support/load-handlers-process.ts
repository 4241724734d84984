// Run as a process of its own, because Node itself is to load the handlers: the test runner would transform them.
import { StartError } from '../../../src/errors.ts'
import { log } from '../../../src/handlers/builtin/log.ts'
import { loadHandlers } from '../../../src/handlers/loader.ts'
import { describeThrown } from '../../../src/worker/attempt-failure.ts'
import type { HandlerContext } from '../../../src/handlers/define-handler.ts'
import type { WebhookEvent } from '../../../src/sources/sources.ts'
import type { LoadOutcome } from './load-handlers.ts'

const DEFAULTS = {
  concurrency: 20,
  timeoutMs: 60_000,
  attempts: 40,
  backoffMs: 5000,
  backoffMaxMs: 3_600_000,
}

process.stdout.write(JSON.stringify(await load(process.argv[2] ?? '')))

async function load(dir: string): Promise<LoadOutcome> {
  try {
    const [builtIn, ...own] = await loadHandlers(dir, DEFAULTS, [log])
    const handlers = await Promise.all(
      own.map(async ({ handle, on, ...options }) => ({ ...options, on: [...on], ended: await end(handle) })),
    )
    return { builtIn: builtIn?.name, handlers }
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    return { error: { code: error.code, message: error.message } }
  }
}

/** How a handler that needs nothing ends. */
async function end(handle: (event: WebhookEvent, context: HandlerContext) => unknown): Promise<string> {
  try {
    return `returned ${String(await handle({} as WebhookEvent, {} as HandlerContext))}`
  } catch (thrown) {
    const { message, final, delayMs } = describeThrown(thrown)
    return `threw ${message}, final ${final}, delay ${delayMs}`
  }
}
