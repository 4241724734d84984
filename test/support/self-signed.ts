import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from './temp-dir.ts'

/** A certificate for 127.0.0.1 that nobody trusts, unless told of `certPath`. */
export function selfSigned(): { key: Buffer; cert: Buffer; certPath: string } {
  const dir = tempDir()
  const [keyPath, certPath] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const files = ['-keyout', keyPath, '-out', certPath]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, ...files], {
    stdio: 'ignore',
  })
  return { key: readFileSync(keyPath), cert: readFileSync(certPath), certPath }
}
