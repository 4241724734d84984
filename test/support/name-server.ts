import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns'
import { once } from 'node:events'
import { isIPv4, type LookupFunction } from 'node:net'
import { onTestFinished } from 'vitest'

const TYPES = { A: 1, AAAA: 28 } as const
const HEADER_BYTES = 12
const FIXED_ANSWER_BYTES = 12

/** A name server whose answers nobody may keep, as rebinding attacks use it. */
export interface NameServer {
  /** How often an IPv4 address was asked for. */
  readonly queries: number
  /** As a socket would have it, by this server alone. */
  readonly lookup: LookupFunction
}

/** Starts a name server that ends with the test. @param addressesAt what all names have at the nth query, from 1 */
export async function startNameServer(
  addressesAt: (query: number) => readonly string[] | Promise<readonly string[]>,
): Promise<NameServer> {
  const socket = createSocket('udp4')
  let queries = 0
  socket.on('message', (query, { port, address }) => {
    const question = questionOf(query)
    const isIpv4Query = question.readUInt16BE(question.length - 4) === TYPES.A
    if (isIpv4Query) queries += 1
    // Resolvers may send the query for IPv6 first.
    const number = isIpv4Query ? queries : Math.max(queries, 1)
    void Promise.resolve(addressesAt(number)).then((addresses) => {
      const wanted = addresses.filter((candidate) => isIPv4(candidate) === isIpv4Query)
      socket.send(answerTo(query, wanted), port, address)
    })
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())

  const resolver = new Resolver({ tries: 1 })
  resolver.setServers([`127.0.0.1:${socket.address().port}`])
  const resolve = async (host: string, family: 4 | 6) => {
    const { promise, resolve: found } = Promise.withResolvers<{ address: string; family: number }[]>()
    const done = (_error: Error | null, addresses: string[] = []) =>
      found(addresses.map((address) => ({ address, family })))
    if (family === 4) resolver.resolve4(host, done)
    else resolver.resolve6(host, done)
    return await promise
  }
  return {
    get queries() {
      return queries
    },
    lookup: (host, _options, done) => {
      void Promise.all([resolve(host, 4), resolve(host, 6)]).then((found) => done(null, found.flat()))
    },
  }
}

function answerTo(query: Buffer, addresses: readonly string[]): Buffer {
  const header = Buffer.from(query.subarray(0, HEADER_BYTES))
  header.writeUInt16BE(0x8180, 2)
  header.writeUInt16BE(addresses.length, 6)
  header.fill(0, 8)
  const answers = addresses.map((address) => {
    const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address)
    const fixed = Buffer.alloc(FIXED_ANSWER_BYTES)
    // The name is that of the question, the class IN, and the time to live 0.
    fixed.writeUInt16BE(0xc00c, 0)
    fixed.writeUInt16BE(isIPv4(address) ? TYPES.A : TYPES.AAAA, 2)
    fixed.writeUInt16BE(1, 4)
    fixed.writeUInt16BE(data.length, 10)
    return Buffer.concat([fixed, data])
  })
  return Buffer.concat([header, questionOf(query), ...answers])
}

/** It ends in its type and class; options may follow. */
function questionOf(query: Buffer): Buffer {
  return query.subarray(HEADER_BYTES, query.indexOf(0, HEADER_BYTES) + 5)
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => text.split(':').filter((group) => group !== '')
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}
