import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { AddressGuard } from './private-addresses.ts'

/** A name or an address that leads where the service must not connect to. */
export class RefusedAddressError extends Error {
  override readonly name = 'RefusedAddressError'

  constructor(host: string, address: string) {
    super(host === address ? `${host} is a private address` : `${host} has the private address ${address}`)
  }
}

/**
 * A `lookup` for sockets whose answer is checked: what it gives is what is connected to, so that a name that changes
 * its address between a check and the connection gains nothing. One private address refuses the whole name.
 */
export function guardedLookup(lookup: LookupFunction, guard: AddressGuard): LookupFunction {
  const pending = new Map<string, Promise<LookupAddress[]>>()

  /** Together for all who ask meanwhile: a slow name server would otherwise fill the few threads of the process. */
  function addressesOf(host: string): Promise<LookupAddress[]> {
    const asked = pending.get(host)
    if (asked !== undefined) return asked
    const { promise, resolve, reject } = Promise.withResolvers<LookupAddress[]>()
    pending.set(host, promise)
    lookup(host, { all: true }, (error, found) => {
      pending.delete(host)
      if (error !== null) reject(error)
      else if (typeof found === 'string') reject(new TypeError('the lookup gave one address of many'))
      else resolve(found)
    })
    return promise
  }

  return (host, options, done) => {
    addressesOf(host).then(
      (addresses) => {
        const [first] = addresses
        const refused = addresses.find(({ address }) => guard.isRefused(host, address))
        if (first === undefined) done(new Error(`${host} has no address`), '')
        else if (refused !== undefined) done(new RefusedAddressError(host, refused.address), '')
        else if (options.all === true) done(null, addresses)
        else done(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => done(error, ''),
    )
  }
}
