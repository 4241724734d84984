import { sign } from './deliveries.ts'

/** The body of every shape: whoever gets it past the signature has it handled. */
export const SMUGGLED = '{"id":"smuggled","status":"completed"}'
const LENGTH = SMUGGLED.length
const HEX_LENGTH = LENGTH.toString(16)
const END = '\r\n'

const head = (...lines: string[]) =>
  ['POST /webhooks/callcov HTTP/1.1', 'Host: x', ...lines, '', ''].join(END)
const chunked = (size = HEX_LENGTH, data = SMUGGLED) => `${size}${END}${data}${END}0${END}${END}`
/** A request that would be taken, were it not the body of another one. */
const inner = `POST /webhooks/callcov HTTP/1.1${END}Host: x${END}Content-Length: ${LENGTH}${END}${END}${SMUGGLED}`
const TE = 'Transfer-Encoding: chunked'
const CL = `Content-Length: ${LENGTH}`

/** Requests whose length two parsers may see differently. None carries a valid signature. */
export const FRAMING_SHAPES: Readonly<Record<string, string>> = {
  'CL.TE': head('Content-Length: 6', TE) + `0${END}${END}X`,
  'TE.CL': head(TE, 'Content-Length: 4') + chunked(),
  'CL.TE with a request behind it': head('Content-Length: 5', TE) + `0${END}${END}${inner}`,
  'TE twice': head(TE, TE) + chunked(),
  'TE twice, one unknown': head(TE, 'Transfer-Encoding: x') + chunked(),
  'TE list': head('Transfer-Encoding: identity, chunked') + chunked(),
  'TE chunked not last': head('Transfer-Encoding: chunked, identity') + chunked(),
  'TE xchunked': head('Transfer-Encoding: xchunked') + chunked(),
  'TE in quotes': head('Transfer-Encoding: "chunked"') + chunked(),
  'TE with a tab': head('Transfer-Encoding:\tchunked') + chunked(),
  'TE with a vertical tab': head('Transfer-Encoding: \vchunked') + chunked(),
  'TE with blank before the colon': head('Transfer-Encoding : chunked') + chunked(),
  'TE folded': head('Transfer-Encoding:', ' chunked') + chunked(),
  'TE gzip, chunked': head('Transfer-Encoding: gzip, chunked') + chunked(),
  'TE empty': head('Transfer-Encoding:', CL) + SMUGGLED,
  'CL twice, same': head(CL, CL) + SMUGGLED,
  'CL twice, different': head('Content-Length: 0', CL) + SMUGGLED,
  'CL list': head(`Content-Length: ${LENGTH}, ${LENGTH}`) + SMUGGLED,
  'CL with a plus': head(`Content-Length: +${LENGTH}`) + SMUGGLED,
  'CL negative': head('Content-Length: -1') + SMUGGLED,
  'CL in hex': head(`Content-Length: 0x${HEX_LENGTH}`) + SMUGGLED,
  'CL with a fraction': head(`Content-Length: ${LENGTH}.0`) + SMUGGLED,
  'CL with an exponent': head('Content-Length: 1e2') + SMUGGLED,
  'CL beyond 64 bit': head('Content-Length: 18446744073709551654') + SMUGGLED,
  'CL with leading zeros': head(`Content-Length: 000${LENGTH}`) + SMUGGLED,
  'CL empty': head('Content-Length:') + SMUGGLED,
  'CL with blank inside': head('Content-Length: 3 8') + SMUGGLED,
  'CL folded': head('Content-Length:', ` ${LENGTH}`) + SMUGGLED,
  'CL with a letter': head(`Content-Length: ${LENGTH}a`) + SMUGGLED,
  'CL too long, then the end': head('Content-Length: 9') + 'short',
  'CL too short, a request behind it': head('Content-Length: 0') + inner,
  'chunk size with a plus': head(TE) + chunked(`+${HEX_LENGTH}`),
  'chunk size with 0x': head(TE) + chunked(`0x${HEX_LENGTH}`),
  'chunk size negative': head(TE) + chunked('-1'),
  'chunk size beyond 64 bit': head(TE) + chunked(`10000000000000${HEX_LENGTH}`),
  'chunk size empty': head(TE) + chunked(''),
  'chunk size no hex': head(TE) + chunked('zz'),
  'chunk size with a blank': head(TE) + chunked(`${HEX_LENGTH} `),
  'chunk longer than its size': head(TE) + chunked('5'),
  'chunk with a bare LF': head(TE) + `${HEX_LENGTH}\n${SMUGGLED}\n0\n\n`,
  'chunk with a bare CR': head(TE) + `${HEX_LENGTH}\r${SMUGGLED}\r0\r\r`,
  'chunk extension of 20 kB': head(TE) + chunked(`${HEX_LENGTH};${'a'.repeat(20_000)}`),
  'chunk extension with a bare LF': head(TE) + chunked(`${HEX_LENGTH};a\nb`),
  'signature as a trailer':
    head(TE) +
    `${HEX_LENGTH}${END}${SMUGGLED}${END}0${END}X-CallCov-Signature: ${sign(SMUGGLED)}${END}${END}`,
  'length as a trailer': head(TE) + `0${END}Content-Length: ${LENGTH}${END}${END}${SMUGGLED}`,
  'bare LF as line end': head(CL).replaceAll('\r', '') + SMUGGLED,
  'bare CR as line end': head(CL).replaceAll('\n', '') + SMUGGLED,
  'header without colon': head('X-Odd', CL) + SMUGGLED,
  'header with NUL': head('X-Odd: a\0b', CL) + SMUGGLED,
  'header folded onto the signature':
    head(CL, 'X-Odd: a', ` X-CallCov-Signature: ${sign(SMUGGLED)}`) + SMUGGLED,
  'blank before the first header': `POST /webhooks/callcov HTTP/1.1${END} ${CL}${END}Host: x${END}${END}${SMUGGLED}`,
  'signature name with a blank': head(`X-CallCov-Signature : ${sign(SMUGGLED)}`, CL) + SMUGGLED,
  'signature name with an underscore': head(`X_CallCov_Signature: ${sign(SMUGGLED)}`, CL) + SMUGGLED,
  'no Host': `POST /webhooks/callcov HTTP/1.1${END}${CL}${END}${END}${SMUGGLED}`,
  'two Hosts': head('Host: y', CL) + SMUGGLED,
  'absolute form': head(CL).replace('/webhooks', 'http://other/webhooks') + SMUGGLED,
  'HTTP/1.0 chunked': head(TE).replace('1.1', '1.0') + chunked(),
  'HTTP/0.9': `POST /webhooks/callcov${END}${SMUGGLED}`,
  'HTTP/2 preface': `PRI * HTTP/2.0${END}${END}SM${END}${END}`,
  'HTTP/1.2': head(CL).replace('1.1', '1.2') + SMUGGLED,
  'HTTP/9.9': head(CL).replace('1.1', '9.9') + SMUGGLED,
  'h2c upgrade':
    head('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk', CL) + SMUGGLED,
  'websocket upgrade': head('Connection: Upgrade', 'Upgrade: websocket', CL) + SMUGGLED,
  'Expect of something else': head('Expect: 200-ok', CL) + SMUGGLED,
  'method in lower case': head(CL).replace('POST', 'post') + SMUGGLED,
  'method unknown': head(CL).replace('POST', 'BREW') + SMUGGLED,
  CONNECT: `CONNECT /webhooks/callcov HTTP/1.1${END}Host: x${END}${END}`,
  'method override': head('X-HTTP-Method-Override: POST', CL).replace('POST /', 'GET /') + SMUGGLED,
  'CRLF in the path':
    head(CL).replace('callcov ', `callcov\r\nX-CallCov-Signature:${sign(SMUGGLED)} `) + SMUGGLED,
  'TLS hello': '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001',
}
