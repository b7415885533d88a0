import { describe, expect, it, vi } from 'vitest'
import { ChunkPool, chunkBytes } from '../../engine/chunk-pool.ts'
import { RequestParser } from '../../server/resp/request-parser.ts'
import { chance } from '../chance.ts'

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

  it('gives a large argument memory of its own, and leaves it with whoever takes it', () => {
    const value = Buffer.from(Array.from({ length: 2000 }, (_, i) => i % 251))
    const before = Buffer.from('PING\r\n*5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2000\r\n')
    const behind = Buffer.from('\r\n$2\r\nEX\r\n$3\r\n100\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nPING\r\n')
    const bytes = Buffer.concat([before, value, behind])
    for (const cut of Array.from({ length: bytes.length - 1 }, (_, i) => i + 1)) {
      const pool = new ChunkPool()
      const parser = new RequestParser(pool, { bulkBytesMax: 1 << 29, queryBytesMax: 1 << 30, largeBulkBytes: 200 })
      const requests: string[][] = []
      let taken: Buffer | undefined
      for (const [start, end] of [
        [0, cut],
        [cut, bytes.length],
      ] as const) {
        const lent = Buffer.from(bytes.subarray(start, end))
        parser.feed(lent, 0, lent.length)
        while (parser.next() === 'request') {
          const { args } = parser
          if (args.donated >= 0) {
            expect(args.bytes(args.donated).equals(value)).toBe(true)
            taken = args.bytes(args.donated)
            expect(args.take(args.buffer, args.start(2), args.end(2))).toBe(true)
            args.buffer.fill(0xee, args.start(2) - 16, args.start(2))
          }
          requests.push(Array.from({ length: args.count }, (_, i) => (args.length(i) === 2000 ? 'value' : args.string(i))))
        }
        parser.retain(false)
        lent.fill(0)
      }
      // What lies whole in the memory that was lent is not worth moving.
      expect(taken !== undefined).toBe(cut >= before.length && cut < before.length + 2002)
      expect(taken === undefined || taken.equals(value)).toBe(true)
      expect(requests).toEqual([['PING'], ['SET', 'key', 'value', 'EX', '100'], ['GET', 'key'], ['PING']])
      expect(pool.usedBytes).toBe(0)
    }
  })

  it('donates only what the arena can adopt, however many large arguments a request has', () => {
    const random = chance(11)
    const below = (n: number): number => random.nextUint32() % n
    const argument = (): Buffer =>
      Buffer.alloc([below(20), 90 + below(20), 100 + below(400), 1000 + below(5000)][below(4)]!, 97 + below(26))
    let donations = 0
    for (let run = 0; run < 1000; run++) {
      const parser = new RequestParser(new ChunkPool(), { bulkBytesMax: 1 << 29, queryBytesMax: 1 << 30, largeBulkBytes: 100 })
      const words = Array.from({ length: 1 + below(6) }, argument)
      const parts = words.map((word) => Buffer.concat([Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]))
      const bytes = Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts, Buffer.from('PING\r\n')])
      const pieceMax = [30, 200, 1500][below(3)]!
      const requests: Buffer[] = []
      for (let at = 0; at < bytes.length; ) {
        const end = Math.min(bytes.length, at + 1 + below(pieceMax))
        parser.feed(Buffer.from(bytes.subarray(at, end)), 0, end - at)
        while (parser.next() === 'request') {
          const { args } = parser
          requests.push(Buffer.concat(Array.from({ length: args.count }, (_, i) => args.bytes(i))))
          if (args.donated < 0) continue
          donations++
          const slot = args.buffer.byteOffset + args.start(args.donated) - 16
          const slotBytes = Math.ceil((16 + args.length(args.donated)) / 8) * 8
          expect(slot % 8).toBe(0)
          expect(args.start(args.donated)).toBeGreaterThanOrEqual(args.donated === 0 ? 16 : args.end(args.donated - 1) + 16)
          expect(slot + slotBytes).toBeLessThanOrEqual(args.buffer.buffer.byteLength)
        }
        parser.retain(false)
        at = end
      }
      expect(requests.length).toBe(2)
      expect(requests[0]!.equals(Buffer.concat(words))).toBe(true)
    }
    expect(donations).toBeGreaterThan(100)
  })

  it('copies no more of a large argument than its beginning once more', () => {
    const pool = new ChunkPool()
    const parser = new RequestParser(pool)
    const request = Buffer.concat([
      Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000000\r\n'),
      Buffer.alloc(20_000_000, 'v'),
      Buffer.from('\r\n'),
    ])
    const memory = new Set<ArrayBufferLike>()
    for (let at = 0; at < request.length; at += 65_536) {
      parser.feed(request, at, Math.min(request.length, at + 65_536))
      while (parser.next() === 'request') expect(parser.args.donated).toBe(2)
      memory.add(parser.args.buffer.buffer)
      // Counted is what has arrived; reserved may be all.
      expect(pool.usedBytes).toBeLessThan(at + 65_536 + 100)
      if (at + 65_536 < request.length) parser.retain(false)
    }
    expect(parser.args.buffer.length).toBeLessThan(20_000_100)
    // What was fed, nothing, and the argument's memory at first, in between, and whole.
    expect(memory.size).toBeLessThanOrEqual(6)
    parser.retain(false)
    expect(pool.usedBytes).toBe(0)
  })

  it('keeps a request that owns its buffer while it waits and more arrives', () => {
    const pool = new ChunkPool()
    const parser = new RequestParser(pool, { bulkBytesMax: 1 << 29, queryBytesMax: 1 << 30, largeBulkBytes: 100 })
    const first = Buffer.from(`*2\r\n$4\r\nECHO\r\n$500\r\n${'a'.repeat(300)}`)
    parser.feed(first, 0, first.length)
    expect(parser.next()).toBe('more')
    parser.retain(false)
    // While no request is read (the client has not taken its replies), too.
    const second = Buffer.from(`${'a'.repeat(200)}\r\n*1\r\n$4\r\nPI`)
    parser.feed(second, 0, second.length)
    parser.retain(false)
    second.fill(0)
    expect(parser.next()).toBe('request')
    parser.retain(true)
    const third = Buffer.from('NG\r\n')
    for (const byte of third) {
      const lent = Buffer.of(byte)
      parser.feed(lent, 0, 1)
      parser.retain(true)
      lent.fill(0)
    }
    expect([parser.args.string(0), parser.args.string(1)]).toEqual(['ECHO', 'a'.repeat(500)])
    const kept = parser.args.keep()
    expect([kept.donated, kept.ownsBuffer, kept.buffer === parser.args.buffer, parser.args.donated]).toEqual([1, true, true, -1])
    expect(parser.next()).toBe('request')
    expect([parser.args.string(0), parser.args.ownsBuffer]).toEqual(['PING', false])
    expect(kept.string(1)).toBe('a'.repeat(500))
    parser.retain(false)
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

  it('moves a large argument little by little while another one arrives behind it', () => {
    const parser = new RequestParser(new ChunkPool(), { bulkBytesMax: 1 << 29, queryBytesMax: 1 << 30, largeBulkBytes: 100 })
    const words = ['x', 'y'].map((letter) => letter.repeat(40_000))
    const bytes = Buffer.from(`*3\r\n$4\r\nMSET\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`)
    const copy = vi.spyOn(Buffer.prototype, 'copy')
    const requests: string[][] = []
    for (let at = 0; at < bytes.length; at += 100) {
      parser.feed(bytes, at, Math.min(bytes.length, at + 100))
      while (parser.next() === 'request') requests.push([parser.args.string(1), parser.args.string(2)])
      parser.retain(false)
    }
    const longest = Math.max(...copy.mock.calls.map(([, , start, end]) => Number(end ?? 0) - Number(start ?? 0)))
    copy.mockRestore()
    expect(requests).toEqual([words])
    expect(longest).toBeLessThan(5000)
  })
})
