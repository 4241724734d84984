/**
 * Runs as a thread beside the worker: ends the process when its parent is gone, also while a handler blocks the
 * event loop, which then would notice neither the closed channel nor a signal.
 */
import { workerData } from 'node:worker_threads'

const CHECK_MS = 500
const { parentPid } = workerData as { parentPid: number }

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL')
}, CHECK_MS)
