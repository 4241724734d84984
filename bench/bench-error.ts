/** What ends a measurement before its result; `message` is for the person who started it. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}
