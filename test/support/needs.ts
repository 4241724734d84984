import { execFileSync, spawnSync } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { tempDir } from './temp-dir.ts'

/** The options of a test that needs something of the machine: skips it, with the reason in the report, where it is not. */
export function needs(reason: string | undefined): { skip: boolean; meta: { skipReason?: string } } {
  return reason === undefined ? { skip: false, meta: {} } : { skip: true, meta: { skipReason: reason } }
}

/** Why a program cannot be used here, if so. */
export function missingProgram(name: string): string | undefined {
  const { status } = spawnSync(name, ['--version'], { stdio: 'ignore' })
  return status === 0 ? undefined : `${name} is not installed`
}

/** Why small disks cannot be made here, if so. */
export function noMounts(): string | undefined {
  const { status } = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
    stdio: 'ignore',
  })
  return status === 0 ? undefined : 'mounting a file system is not permitted'
}

/** A disk of this size, gone after the test. */
export function smallDisk(size: string): string {
  const dir = tempDir()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'none', dir])
  onTestFinished(() => void spawnSync('umount', ['-l', dir]))
  return dir
}
