import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contender.ts'

const INSTALLER = fileURLToPath(new URL('../../scripts/install-packages.sh', import.meta.url))

/** Why a contender cannot take part, if so; what it needs is installed where that works without asking. */
export function installNeeds({ needs }: Contender): string | undefined {
  if (needs === undefined || needs.isInstalled()) return undefined
  spawnSync('sh', [INSTALLER, ...needs.packages], { stdio: ['ignore', 'ignore', 'inherit'] })
  return missingNeeds(needs)
}

/** The same without installing anything. */
export function missingNeeds(needs: Contender['needs']): string | undefined {
  if (needs === undefined || needs.isInstalled()) return undefined
  return `not installed; on Debian: apt-get install ${needs.packages.join(' ')}`
}
