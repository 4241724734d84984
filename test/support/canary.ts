/** Words that stand in what tests send and must never stand in what the service writes. */
export const CANARIES = {
  transcript: 'TRANSCRIPTCANARY',
  contact: '+15550142CANARY',
  audioQuery: 'AUDIOCANARY',
} as const

const secrets = new Set<string>()

/** From now on this text, a secret or a signature made with one, must not turn up in any output either. */
export function keepSecret(text: string): void {
  secrets.add(text)
}

/** @throws naming what leaked; called with all that each service of the tests has written. */
export function expectNoLeak(output: string): void {
  const leaked = [...Object.values(CANARIES), ...secrets].filter((word) => output.includes(word))
  if (leaked.length === 0) return
  const place = output.split('\n').find((line) => line.includes(leaked[0] ?? ''))
  throw new Error(`the service wrote what it must not: ${leaked.join(', ')}\nin: ${place}`)
}
