import { Transform, type Readable } from 'node:stream'
import { UnavailableError } from '../errors.ts'

const MIB = 1024 * 1024
/** An ordinary webhook is shorter. */
const SMALL_BELOW_BYTES = 64 * 1024
/** A share of its own, so that large posts by whomever cannot lock ordinary webhooks out. */
const SMALL_SHARE_BYTES = 8 * MIB
const LARGE_SHARE_BYTES = 56 * MIB

class Share {
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

/**
 * Bounds the bytes of bodies that are being read at once, 64 MiB in all: whoever sends has not proven anything yet.
 * A small body counts with its declared length, a large one with what has come of it, so that a slow sender who
 * declares much does not hold what it never sends.
 */
export class ReadingBudget {
  readonly #small = new Share(SMALL_SHARE_BYTES)
  readonly #large = new Share(LARGE_SHARE_BYTES)

  /**
   * Takes room for a body and returns the stream to read it from; `release` gives the room back.
   * @param declaredBytes `undefined` for a body sent in chunks
   * @throws UnavailableError when there is no room; for a large body the stream fails with it
   */
  admit(body: Readable, declaredBytes: number | undefined): { body: Readable; release: () => void } {
    if (declaredBytes !== undefined && declaredBytes < SMALL_BELOW_BYTES) {
      if (!this.#small.take(declaredBytes)) throw new UnavailableError('overloaded')
      return { body, release: () => this.#small.giveBack(declaredBytes) }
    }
    let taken = 0
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        if (!this.#large.take(chunk.length)) {
          done(new UnavailableError('overloaded'))
          return
        }
        taken += chunk.length
        done(null, chunk)
      },
    })
    body.on('error', (error) => counted.destroy(error))
    return { body: body.pipe(counted), release: () => this.#large.giveBack(taken) }
  }
}
