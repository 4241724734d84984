/** An id as a provider sent it: any non-empty string, or a safe integer; past 2^53 two numbers would share one text. */
export function providerId(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value
  return Number.isSafeInteger(value) ? String(value) : undefined
}
