/** A name that the provider chose: any other, or one with a long number, may be made of what somebody said. */
const PLAIN_NAME = /^(?!.*\d{5})[a-z_][\w-]{0,60}(\[\])*$/i

/** The path of a flag as it may be told to anybody, the places in lists left out. */
export function describeFlag(path: string): string {
  const names = path.replaceAll(/\[\d+\]/g, '[]').split('.')
  return names.map((name) => (PLAIN_NAME.test(name) ? name : '…')).join('.')
}
