import { describe, expect, it } from 'vitest'
import { ChunkPool, chunkBytes } from '../../engine/output-buffer.ts'
import { RequestParser } from '../../server/resp/request-parser.ts'

interface Parsed {
  readonly requests: string[][]
  readonly failure: string | undefined
}

/** Feeds the pieces one after the other, each in memory that is overwritten after the loan. */
function parse(pieces: readonly Buffer[], parser = new RequestParser(new ChunkPool())): Parsed {
  const requests: string[][] = []
  for (const piece of pieces) {
    const lent = Buffer.concat([Buffer.from('##'), piece, Buffer.from('##')])
    parser.feed(lent, 2, 2 + piece.length)
    for (;;) {
      const found = parser.next()
      if (found === 'failure') return { requests, failure: parser.failure }
      if (found === 'more') break
      requests.push(Array.from({ length: parser.args.count }, (_, i) => parser.args.string(i, 'latin1')))
    }
    parser.retain(false)
    lent.fill(0x2a)
  }
  return { requests, failure: undefined }
}

const failing = (text: string): string | undefined => parse([Buffer.from(text, 'latin1')]).failure
const parsing = (text: string): string[][] => parse([Buffer.from(text, 'latin1')]).requests

describe('RequestParser', () => {
  it('finds pipelined arrays and inline commands', () => {
    expect(parsing('*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*1\r\n$0\r\n\r\n  set  a "b c"\n')).toEqual([
      ['GET', 'k'],
      ['PING'],
      [''],
      ['set', 'a', 'b c'],
    ])
  })

  it('passes over empty requests', () => {
    expect(parsing('*0\r\n*-1\r\n*-5\r\n\r\n  \r\nPING\r\n')).toEqual([['PING']])
  })

  it('splits every short conversation anywhere, and finds the same', () => {
    const conversation = Buffer.from(
      '*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$4\r\n\r\n\r\n\r\nECHO "a\\x41\\n" \'b\'\r\n*0\r\n*1\r\n$12\r\nabcdefghijkl\r\nPING\n',
    )
    const whole = parse([conversation])
    expect(whole.requests).toHaveLength(4)
    for (let i = 0; i <= conversation.length; i++) {
      expect(parse([conversation.subarray(0, i), conversation.subarray(i)])).toEqual(whole)
      for (let j = i; j <= conversation.length; j += 3) {
        expect(parse([conversation.subarray(0, i), conversation.subarray(i, j), conversation.subarray(j)])).toEqual(whole)
      }
    }
    expect(parse([...conversation].map((byte) => Buffer.of(byte)))).toEqual(whole)
  })

  it.each([
    ['ECHO a\\x41b', ['ECHO', 'a\\x41b']],
    ['ECHO "a\\x41b\\n\\q\\\\"', ['ECHO', 'aAb\nq\\']],
    ['ECHO "\\r\\t\\b\\a"', ['ECHO', '\r\t\b\x07']],
    ['ECHO "\\xZZ\\x4"', ['ECHO', 'xZZx4']],
    ['ECHO x"a b"', ['ECHO', 'xa b']],
    ["ECHO 'a\\'\\n'", ['ECHO', "a'\\n"]],
    ['"" a', ['', 'a']],
    ['ECHO "a"\vb', ['ECHO', 'a', 'b']],
    ['ECHO a\vb', ['ECHO', 'a\vb']],
    ['PING\r', ['PING']],
  ])('splits %j as Redis does', (line, words) => {
    expect(parsing(`${line}\r\n`)).toEqual([words])
  })

  it.each([
    ['*2147483648\r\n', 'invalid multibulk length'],
    ['*-99999999999999999999\r\n', 'invalid multibulk length'],
    ['*+1\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*-0\r\n', 'invalid multibulk length'],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$a\r\n', 'invalid bulk length'],
    ['*1\r\n$536870913\r\n', 'invalid bulk length'],
    ['*1\r\n$4\n\nPING\r\n', 'invalid bulk length'],
    ['*1\r\nPING\r\n', "expected '$', got 'P'"],
    ['*1\r\n\xe9\r\n', "expected '$', got '\xe9'"],
    [`*${'1'.repeat(70000)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(70000)}`, 'too big bulk count string'],
    ['x'.repeat(70000), 'too big inline request'],
    ['PING "a\r\n', 'unbalanced quotes in request'],
    ["PING 'a\\'\r\n", 'unbalanced quotes in request'],
    ['PING "a"b\r\n', 'unbalanced quotes in request'],
  ])('refuses %.30s', (text, failure) => {
    expect(failing(text)).toBe(`ERR Protocol error: ${failure}`)
  })

  it('accepts what is just within the limits', () => {
    expect(failing('*2147483647\r\n')).toBeUndefined()
    expect(failing('*1\r\n$536870912\r\n')).toBeUndefined()
    expect(failing('x'.repeat(64 * 1024))).toBeUndefined()
  })

  it('allows small requests only before a client has authenticated', () => {
    const refusal = (text: string): string | undefined => {
      const parser = new RequestParser(new ChunkPool())
      parser.authenticated = false
      return parse([Buffer.from(text)], parser).failure
    }
    expect(refusal('*11\r\n')).toBe('ERR Protocol error: unauthenticated multibulk length')
    expect(refusal('*10\r\n')).toBeUndefined()
    expect(refusal('*2\r\n$16385\r\n')).toBe('ERR Protocol error: unauthenticated bulk length')
    expect(refusal('*2\r\n$16384\r\n')).toBeUndefined()
  })

  it('does not copy a request that arrives whole', () => {
    const parser = new RequestParser(new ChunkPool())
    const bytes = Buffer.from('*1\r\n$4\r\nPING\r\n')
    parser.feed(bytes, 0, bytes.length)
    expect(parser.next()).toBe('request')
    expect(parser.args.buffer).toBe(bytes)
  })

  it('keeps the bytes of a request that is in use while more arrives', () => {
    const pool = new ChunkPool()
    const parser = new RequestParser(pool)
    const first = Buffer.from('*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4')
    parser.feed(first, 0, first.length)
    parser.next()
    expect(parser.next()).toBe('request')
    parser.retain(true)
    first.fill(0)
    const more = Buffer.from(`\r\nECHO\r\n${'PING\r\n'.repeat(50_000)}`)
    for (let at = 0; at < more.length; at += 1000) {
      parser.feed(more, at, Math.min(more.length, at + 1000))
      parser.retain(true)
    }
    expect([parser.args.string(0), parser.args.string(1)]).toEqual(['GET', 'k'])
    expect(parser.next()).toBe('request')
    expect(parser.args.string(0)).toBe('ECHO')
    let pings = 0
    while (parser.next() === 'request') pings++
    expect(pings).toBe(50_000)
    parser.retain(false)
    expect(parser.memoryBytes).toBeLessThan(1000)
    expect(pool.usedBytes).toBe(0)
  })

  it('commits memory to what arrives, not to what is announced', () => {
    const pool = new ChunkPool()
    const parser = new RequestParser(pool)
    parse([Buffer.from('*1\r\n$536870912\r\nabc')], parser)
    expect(pool.usedBytes).toBeLessThanOrEqual(chunkBytes)
    parse([Buffer.alloc(100_000)], parser)
    expect(pool.usedBytes).toBeLessThan(600_000)
    parser.close()
    expect(pool.usedBytes).toBe(0)
  })

  it('closes a client that exceeds the query buffer, without a word', () => {
    const parser = new RequestParser(new ChunkPool(), { bulkBytesMax: 1 << 29, queryBytesMax: 100_000 })
    const pieces = Array.from({ length: 20 }, () => Buffer.alloc(10_000, '*1\r\n$1\r\nx\r\n'))
    pieces[0] = Buffer.from('*2\r\n$200000\r\n')
    expect(parse(pieces, parser)).toEqual({ requests: [], failure: '' })
  })

  it('reads a request of a million arguments in pieces, looking at each byte once', () => {
    const request = Buffer.from(`*1000000\r\n${'$3\r\nabc\r\n'.repeat(1_000_000)}PING\r\n`)
    const parser = new RequestParser(new ChunkPool())
    let requests = 0
    let copied = 0
    const countingCopy = Buffer.prototype.copy
    Buffer.prototype.copy = function (this: Buffer, ...rest: Parameters<Buffer['copy']>): number {
      const bytes = countingCopy.apply(this, rest)
      copied += bytes
      return bytes
    }
    try {
      for (let at = 0; at < request.length; at += 16_384) {
        parser.feed(request, at, Math.min(request.length, at + 16_384))
        while (parser.next() === 'request') {
          requests++
          if (requests === 1) expect([parser.args.count, parser.args.string(999_999)]).toEqual([1_000_000, 'abc'])
        }
        parser.retain(false)
      }
    } finally {
      Buffer.prototype.copy = countingCopy
    }
    expect(requests).toBe(2)
    expect(copied).toBeLessThan(3 * request.length)
    expect(parser.memoryBytes).toBeLessThan(1000)
  })
})
