import { execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createArchiveHandler } from '../../src/handlers/builtin/archive/index.ts'
import type { Handler } from '../../src/handlers/define-handler.ts'

const MAX_OUTPUT_BYTES = 1024 ** 3

/** An archive that keeps everything and knows it for 30 days; closed with the test. */
export function openArchive(
  dir: string,
  { keepMs = undefined as number | undefined, dedupeTtlMs = 30 * 86_400_000 } = {},
): Handler {
  const handler = createArchiveHandler({ dir, keepMs, dedupeTtlMs })
  onTestFinished(async () => void (await handler.stop?.()))
  return handler
}

export function dayFile(dir: string, day: string): string {
  return join(dir, `${day}.ndjson.gz`)
}

export function dayFiles(dir: string): string[] {
  return globSync(join(dir, '*.ndjson.gz')).toSorted()
}

/** All archived lines as text, read by the standard tools, which must find nothing wrong. */
export function archivedLines(dir: string): string[] {
  return dayFiles(dir).flatMap((file) => {
    execFileSync('gunzip', ['--test', file], { stdio: 'pipe' })
    const text = execFileSync('zcat', [file], { stdio: 'pipe', maxBuffer: MAX_OUTPUT_BYTES }).toString()
    if (!text.endsWith('\n')) throw new Error(`${file} ends within a line`)
    return text.slice(0, -1).split('\n')
  })
}

export interface ArchivedEvent {
  readonly id: string
  readonly deliveryId: string
  readonly sha256: string
  readonly receivedAt: string
  readonly source: string
  readonly type: string
  readonly origin: string
  readonly body: Record<string, unknown>
}

export function archivedEvents(dir: string): ArchivedEvent[] {
  return archivedLines(dir).map((line) => JSON.parse(line) as ArchivedEvent)
}

/** The ids of the archived analyses, in alphabetical order. */
export function archivedIds(dir: string): string[] {
  return archivedEvents(dir)
    .map(({ id }) => id)
    .toSorted()
}
