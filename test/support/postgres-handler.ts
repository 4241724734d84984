import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createPostgresHandler } from '../../src/handlers/builtin/postgres/index.ts'
import { callHandler, type HandlerCall } from './handler-call.ts'

const log = pino({ level: 'silent' })

export interface RunOptions {
  /** When the delivery was received. */
  readonly at?: string
  readonly signal?: AbortSignal
  /** Whose body it is; CallCov's unless said. */
  readonly source?: HandlerCall['source']
}

/** The handler `postgres` as the worker calls it; it stops with the test. */
export function openPostgresHandler(databaseUrl: string | (() => string)) {
  const handler = createPostgresHandler({
    databaseUrl: typeof databaseUrl === 'string' ? () => databaseUrl : databaseUrl,
  })
  onTestFinished(async () => void (await handler.stop?.()))
  return {
    start: async () => void (await handler.start?.({ log })),
    stop: async () => void (await handler.stop?.()),
    forget: async (id: string) => await handler.forget?.(id),
    /** @param json what was sent; a text is the body itself */
    async handle(json: unknown, { at, signal, source }: RunOptions = {}): Promise<void> {
      await callHandler(handler, {
        body: typeof json === 'string' ? json : JSON.stringify(json),
        ...(at !== undefined && { receivedAt: at }),
        ...(signal !== undefined && { signal }),
        ...(source !== undefined && { source }),
      })
    },
  }
}

export function sample(file: string): Record<string, unknown> {
  const text = readFileSync(new URL(`../fixtures/${file}`, import.meta.url), 'utf8')
  return JSON.parse(text) as Record<string, unknown>
}
