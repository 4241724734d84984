import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import bullmq from 'bullmq/package.json' with { type: 'json' }
import express from 'express/package.json' with { type: 'json' }
import fastify from 'fastify/package.json' with { type: 'json' }
import packageJson from '../package.json' with { type: 'json' }
import { CONTENDERS } from './contenders/contenders.ts'

const BYTES_PER_GIB = 2 ** 30

/** Where it was measured, and with what. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGib: number
  readonly system: string
  /** On which the files of Redis lie. */
  readonly fileSystem: string
  readonly versions: Readonly<Record<string, string>>
}

export function describeMachine(folder: string): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / BYTES_PER_GIB),
    system: `${distribution()}, Linux ${release().replace(/-.*/, '')}`,
    fileSystem: fileSystemOf(folder),
    versions: {
      'callcov-webhook-receiver': packageJson.version,
      Node: process.versions.node,
      Redis: /v=(\S+)/.exec(output('redis-server', '--version'))?.[1] ?? 'unknown',
      Fastify: fastify.version,
      BullMQ: bullmq.version,
      Express: express.version,
      ...Object.fromEntries(debianVersions()),
    },
  }
}

/** The type of the file system, like `ext4`. */
export function fileSystemOf(folder: string): string {
  return output('findmnt', '--noheadings', '--output', 'FSTYPE', '--target', folder) || 'unknown'
}

function debianVersions(): [string, string][] {
  const packages = CONTENDERS.flatMap(({ needs }) => needs?.packages ?? [])
  return packages.flatMap((name) => {
    const version = output('dpkg-query', '--show', '--showformat', '${Version}', name)
    return version === '' ? [] : [[name, version]]
  })
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  } catch {
    return 'Linux'
  }
}

function output(command: string, ...args: string[]): string {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return (stdout ?? '').trim()
}
