import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** What is not the public internet by the registries of special-purpose addresses, as the networks of IPv4. */
const PRIVATE_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Azure's metadata and agents, inside the public range.
  '168.63.129.16/32',
]

/** All but 2000::/3: loopback, mapped, NAT64, unique local, link-local, multicast. And the exceptions within. */
const PRIVATE_IPV6 = [
  '::/3',
  '4000::/2',
  '8000::/1',
  // Teredo, ORCHID, benchmarks.
  '2001::/23',
  '2001:db8::/32',
  // 6to4, which carries an IPv4 address.
  '2002::/16',
  '3fff::/20',
]

/** One list per version: a rule like ::/3 would match every IPv4 address too. */
class AddressSet {
  readonly #ipv4 = new BlockList()
  readonly #ipv6 = new BlockList()

  /** @param networks addresses and networks, like `10.0.0.0/8` */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/')
      if (isIPv4(address)) this.#ipv4.addSubnet(address, Number(bits ?? 32), 'ipv4')
      else this.#ipv6.addSubnet(address, Number(bits ?? 128), 'ipv6')
    }
  }

  has(address: string): boolean {
    return isIPv4(address) ? this.#ipv4.check(address, 'ipv4') : this.#ipv6.check(address, 'ipv6')
  }
}

const privateAddresses = new AddressSet([...PRIVATE_IPV4, ...PRIVATE_IPV6])

/** Decides which addresses may be connected to: the public ones, and those that were allowed. */
export class AddressGuard {
  readonly #allowedNames: ReadonlySet<string>
  readonly #allowed: AddressSet

  /** @param allowPrivate names of hosts, addresses and networks that may be private */
  constructor(allowPrivate: readonly string[]) {
    const isNetwork = (entry: string) => /^[\d.]+(\/|$)|:/.test(entry)
    this.#allowed = new AddressSet(allowPrivate.filter(isNetwork))
    this.#allowedNames = new Set(allowPrivate.filter((entry) => !isNetwork(entry)).map(plainName))
  }

  /** @param host as the URL names it, which may be the address itself */
  isRefused(host: string, address: string): boolean {
    if (this.#allowedNames.has(plainName(host))) return false
    // What is no address of either version cannot be judged.
    if (!isIPv4(address) && !isIPv6(address)) return true
    return privateAddresses.has(address) && !this.#allowed.has(address)
  }
}

function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, '')
}
