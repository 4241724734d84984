import { watch } from 'node:fs'
import type { Logger } from '../log.ts'

/** An editor writes a file in several steps; the worker is to load the last of them. */
const SETTLE_MS = 200
const CODE_FILE = /\.(ts|js|mjs|cjs|json)$/

/**
 * Calls back when code in the folder of the handlers has changed. For development. Folders below it are not watched:
 * a recursive watch of Node's loses a file that an editor replaces by another of its name.
 */
export function watchHandlers(dir: string, onChange: (file: string) => void, log: Logger): { close(): void } {
  let settled: NodeJS.Timeout | undefined
  const watcher = watch(dir, (_event, file) => {
    if (file === null || !CODE_FILE.test(file)) return
    clearTimeout(settled)
    settled = setTimeout(() => onChange(file), SETTLE_MS)
  })
  watcher.on('error', (error) => log.warn({ err: error }, 'changes of handler files are not seen any more'))
  return {
    close() {
      clearTimeout(settled)
      watcher.close()
    },
  }
}
