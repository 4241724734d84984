import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { waitFor } from './wait.ts'

const LISTEN = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
  console.log(this.address().port)
})`
const CONNECT_WITHIN_MS = 300

/** A port whose process is frozen and whose queue is full: connections to it are never made and never refused. */
export async function openBlackHole(): Promise<number> {
  const child = spawn(process.execPath, ['--eval', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(text.toString())
  child.kill('SIGSTOP')
  await waitFor('a connection that is not made', async () => !(await isConnected(port)))
  return port
}

/** Leaves the connection open, so that its place in the queue is taken. */
async function isConnected(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const signal = AbortSignal.timeout(CONNECT_WITHIN_MS)
  return await once(socket, 'connect', { signal }).then(
    () => true,
    () => false,
  )
}
