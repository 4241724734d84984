/** Waits for a promise no longer than `limitMs`; `undefined` when it is late. A rejection comes through in time. */
export async function withinTime<Value>(
  promise: Promise<Value>,
  limitMs: number,
): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), limitMs)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
