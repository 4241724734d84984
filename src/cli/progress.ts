import { SingleBar } from 'cli-progress'

/** Shorter runs are over before a person could read a bar. */
const SHOW_AFTER_MS = 2000
const SHOW_AT_ONCE_FROM = 100

export interface Progress {
  readonly advance: () => void
  readonly stop: () => void
}

/** A progress bar on standard error for runs worth one; nothing when no person looks on. */
export function startProgress(total: number): Progress {
  if (!process.stderr.isTTY) return { advance: () => {}, stop: () => {} }
  const bar = new SingleBar({
    format: '{bar} {value}/{total} | {eta_formatted} left',
    clearOnComplete: true,
    // Switched off, it would stay off in the terminal after Ctrl-C.
    linewrap: true,
  })
  let done = 0
  const show = () => bar.start(total, done)
  const timer = setTimeout(show, total >= SHOW_AT_ONCE_FROM ? 0 : SHOW_AFTER_MS)
  return {
    advance: () => {
      done += 1
      bar.update(done)
    },
    stop: () => {
      clearTimeout(timer)
      bar.stop()
    },
  }
}
