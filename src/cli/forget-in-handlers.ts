import { pino } from 'pino'
import { loadBuiltinSettings } from '../config.ts'
import { safeErrorText } from '../error-text.ts'
import { createBuiltinHandlers } from '../handlers/builtin-handlers.ts'
import type { Handler } from '../handlers/define-handler.ts'

/** What a handler has erased of what it keeps, or why it could not. */
export type ForgottenByHandler = { readonly handler: string } & (
  { readonly erased: number } | { readonly error: string }
)

/** The built-in handlers that are on here and keep something; those of users are never loaded for this. */
export async function keepingHandlers(environment: NodeJS.ProcessEnv): Promise<Handler[]> {
  const handlers = await createBuiltinHandlers(loadBuiltinSettings(environment), pino({ level: 'silent' }))
  return handlers.filter((handler) => handler.forget !== undefined)
}

/** Lets each erase what it keeps about an id of the provider; one that fails keeps no other from it. */
export async function forgetInHandlers(
  handlers: readonly Handler[],
  id: string,
): Promise<ForgottenByHandler[]> {
  return await Promise.all(handlers.map((handler) => forgetInHandler(handler, id)))
}

async function forgetInHandler(handler: Handler, id: string): Promise<ForgottenByHandler> {
  try {
    return { handler: handler.name, erased: (await handler.forget?.(id)) ?? 0 }
  } catch (error) {
    const text = error instanceof Error ? safeErrorText(error) : 'unknown error'
    return { handler: handler.name, error: text }
  } finally {
    await Promise.resolve(handler.stop?.()).catch(() => {})
  }
}
