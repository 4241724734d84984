// Run as a process of its own: locks each folder it is told, at the moment it is told, and says how that went.
import { createInterface } from 'node:readline'
import { errorCode } from '../../../src/errors.ts'
import { lockDataDir } from '../../../src/inbox/data-dir-lock.ts'

for await (const line of createInterface({ input: process.stdin })) {
  const { dir, at } = JSON.parse(line) as { dir: string; at: number }
  while (Date.now() < at);
  process.stdout.write(`${lock(dir)}\n`)
}

function lock(dir: string): string {
  try {
    lockDataDir(dir)
    return 'locked'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}
