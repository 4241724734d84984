/** Where other protocols listen: a request that reaches one of them may be read as its commands. */
const REFUSED_PORTS = new Set([
  // Those of the fetch standard.
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
  109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
  526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
  3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
  // Databases, queues and remote control.
  445, 873, 1433, 1521, 2181, 3306, 3389, 5432, 5672, 5900, 6379, 6380, 9042, 9092, 11211, 26379, 27017,
])

/** Says what makes an address unusable as the target of a request, in words that hold nothing of it but the port. */
export function targetUrlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'is no address'
  const { protocol, username, password, port } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') return 'must begin with http:// or https://'
  if (username !== '' || password !== '') return 'must not hold a user name or password'
  if (port !== '' && REFUSED_PORTS.has(Number(port))) return `has the port ${port} of another protocol`
  return undefined
}
