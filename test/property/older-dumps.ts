/** Values in the encodings of Redis 2.4 to 6.2, which redis-server 7.0 reads and no longer writes. */

/** A string as it is. */
function plain(bytes: Buffer | string): Buffer {
  const text = Buffer.from(bytes as string)
  if (text.length < 64) return Buffer.concat([Buffer.from([text.length]), text])
  if (text.length < 16384) return Buffer.concat([Buffer.from([0x40 | (text.length >> 8), text.length & 0xff]), text])
  const head = Buffer.from([0x80, 0, 0, 0, 0])
  head.writeUInt32BE(text.length, 1)
  return Buffer.concat([head, text])
}

function ziplist(...elements: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = []
  let previous = 0
  let last = 10
  let at = 10
  for (const element of elements) {
    const head = previous < 254 ? Buffer.from([previous]) : Buffer.from([254, previous & 0xff, (previous >> 8) & 0xff, previous >> 16, 0])
    const entry = Buffer.concat([head, Buffer.isBuffer(element) ? element : text(element)])
    parts.push(entry)
    last = at
    at += entry.length
    previous = entry.length
  }
  const header = Buffer.alloc(10)
  header.writeUInt32LE(at + 1, 0)
  header.writeUInt32LE(last, 4)
  header.writeUInt16LE(elements.length, 8)
  return Buffer.concat([header, ...parts, Buffer.from([0xff])])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  if (bytes.length < 64) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  if (bytes.length < 16384) return Buffer.concat([Buffer.from([0x40 | (bytes.length >> 8), bytes.length & 0xff]), bytes])
  const head = Buffer.from([0x80, 0, 0, 0, 0])
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** An integer of a ziplist in so many bytes. */
function integer(code: number, value: number, size: number): Buffer {
  const bytes = Buffer.alloc(1 + size)
  bytes[0] = code
  if (size === 8) bytes.writeBigInt64LE(BigInt(value), 1)
  else bytes.writeIntLE(value, 1, size)
  return bytes
}

function zipmap(...elements: readonly string[]): Buffer {
  const parts = elements.flatMap((element, i) => {
    const length =
      element.length < 254 ? Buffer.from([element.length]) : Buffer.from([254, element.length & 0xff, element.length >> 8, 0, 0])
    const free = i % 2 === 1 ? [Buffer.from([i % 3])] : []
    return [length, ...free, Buffer.from(element), Buffer.alloc(i % 2 === 1 ? i % 3 : 0, 'z')]
  })
  return Buffer.concat([Buffer.from([elements.length / 2]), ...parts, Buffer.from([0xff])])
}

const numbers = [Buffer.from([0xf1]), Buffer.from([0xfd]), integer(0xfe, -7, 1), integer(0xc0, 300, 2), integer(0xf0, -70_000, 3)]
const largeNumbers = [integer(0xd0, 20_000_000, 4), integer(0xe0, -(2 ** 40), 8)]
const long = 'x'.repeat(300)

export interface OlderDump {
  readonly name: string
  readonly kind: 'hash' | 'list' | 'zset'
  /** Type and value. */
  readonly value: Buffer
}

function older(name: string, kind: OlderDump['kind'], type: number, ...parts: readonly Buffer[]): OlderDump {
  return { name, kind, value: Buffer.concat([Buffer.from([type]), ...parts]) }
}

const count = (n: number): Buffer => Buffer.from([n])

export const olderDumps: readonly OlderDump[] = [
  older('zipmap', 'hash', 9, plain(zipmap('f', 'v', 'g', long, 'empty', '', 'n', '12'))),
  older('ziplist of a hash', 'hash', 13, plain(ziplist('f', 'v', 'g', long, 'n', numbers[2] as Buffer, 'm', largeNumbers[0] as Buffer))),
  older('ziplist of a list', 'list', 10, plain(ziplist('a', ...numbers, long, ...largeNumbers, '', 'x'.repeat(20_000), 'end'))),
  older('quicklist of ziplists', 'list', 14, count(2), plain(ziplist('a', ...numbers)), plain(ziplist(long, 'b'))),
  older('list element by element', 'list', 1, count(3), plain('a'), Buffer.from([0xc0, 5]), plain(long)),
  older('ziplist of a sorted set', 'zset', 12, plain(ziplist('a', numbers[0] as Buffer, 'b', '1.5', 'c', numbers[3] as Buffer))),
  older('scores as text', 'zset', 3, count(3), plain('a'), plain('1.5'), plain('b'), Buffer.from([255]), plain('c'), Buffer.from([254])),
]
