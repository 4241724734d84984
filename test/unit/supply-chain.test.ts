import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string) => readFileSync(`${ROOT}${file}`, 'utf8')

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly hasInstallScript?: boolean
  readonly link?: boolean
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

const manifest = JSON.parse(read('package.json')) as LockedPackage & { allowScripts: Record<string, boolean> }
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }
const packages = Object.entries(lock.packages).filter(([path]) => path !== '')
const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/** Every licence that a package here may have: all allow what this service does with them. */
const LICENSES = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MPL-2.0',
  'Unlicense',
])

/** MIT, told in a form that the lock file does not repeat. */
const OLD_STYLE = new Set(['buildcheck', 'cpu-features', 'ssh2'])

it('SUP-02: the lock file fits package.json, and each package in it has a digest and comes from the one registry', () => {
  const root = lock.packages['']
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
    expect(root?.[kind]).toEqual(manifest[kind])
  }
  expect(packages.length).toBeGreaterThan(100)
  for (const [path, { resolved, integrity, link }] of packages) {
    expect([path, link]).toEqual([path, undefined])
    expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-[\w+/]{86}==$/)])
    if (resolved !== undefined) expect(resolved).toMatch(/^https:\/\/registry\.npmjs\.org\//)
  }
})

it('SUP-03: install scripts run for no package, and each that has one is named as not allowed', () => {
  const withScripts = packages
    .filter(([, locked]) => locked.hasInstallScript === true)
    .map(([path]) => nameOf(path))
  expect(Object.keys(manifest.allowScripts).toSorted()).toEqual([...new Set(withScripts)].toSorted())
  expect(Object.values(manifest.allowScripts)).not.toContain(true)
  // What its script would have built; all tests ran without.
  expect(existsSync(`${ROOT}node_modules/msgpackr-extract/build`)).toBe(false)
})

it('SUP-05: every package has a licence that is known to fit, and npm can list all of them', () => {
  const others = packages
    .filter(([path, { license }]) => !LICENSES.has(license ?? 'none') && !OLD_STYLE.has(nameOf(path)))
    .map(([path, { license }]) => [path, license])
  expect(others).toEqual([])
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
  const bom = JSON.parse(
    execFileSync('npm', args, {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as {
    components: { name: string }[]
  }
  const names = new Set(bom.components.map(({ name }) => name))
  for (const name of Object.keys(manifest.dependencies ?? {})) expect(names).toContain(name)
})

it('SEC-01: no secret is committed or copied into the image, and each can be given as a file', () => {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean)
  expect(files.filter((file) => /(^|\/)\.env$|\.(pem|key|p12)$/.test(file))).toEqual([])
  const patterns = [
    /-----BEGIN [A-Z ]*PRIVATE KEY/,
    /\bAKIA[0-9A-Z]{16}\b/,
    /\bgh[pousr]_\w{36}\b/,
    /\bnpm_\w{36}\b/,
    /\bxox[bp]-\d+/,
  ]
  for (const file of files) {
    if (!existsSync(ROOT + file)) continue
    const text = read(file)
    expect([file, patterns.filter((pattern) => pattern.test(text))]).toEqual([file, []])
  }
  expect(read('.gitignore').split('\n')).toContain('.env')
  const [first, ...rules] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect([first, rules.includes('**/.*')]).toEqual(['*', true])
  for (const name of ['CALLCOV_WEBHOOK_SECRET', 'REDIS_URL', 'PAYLOAD_KEY'])
    expect(read('.env.example')).toContain(`${name}_FILE`)
})
