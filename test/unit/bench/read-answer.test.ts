import { describe, expect, it } from 'vitest'
import { readAnswer } from '../../../bench/load/read-answer.ts'

describe('readAnswer', () => {
  it('reads an answer once its body is whole', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody'
    expect(readAnswer(text)).toEqual({ status: 200, keepsAlive: true })
    for (const length of [5, 30, text.length - 1]) expect(readAnswer(text.slice(0, length))).toBeUndefined()
  })

  it('reads one in chunks up to the last of them', () => {
    const head = 'HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n'
    expect(readAnswer(head)).toBeUndefined()
    expect(readAnswer(`${head}0\r\n\r\n`)).toEqual({ status: 503, keepsAlive: true })
  })

  it('notices that the connection ends', () => {
    const text = 'HTTP/1.1 413 Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
    expect(readAnswer(text)).toEqual({ status: 413, keepsAlive: false })
  })
})
