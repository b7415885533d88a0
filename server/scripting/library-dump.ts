/** What FUNCTION DUMP gives and FUNCTION RESTORE takes: libraries as an RDB file has them, the format's version, a checksum. */
const functionOpcode = 245
const rdbVersion = 10
const rdbVersionMax = 10
const footerBytes = 10
const polynomial = 0x95ac9329ac4bc9b5n
const mask64 = (1n << 64n) - 1n

const table: readonly bigint[] = Array.from({ length: 256 }, (_, byte) => {
  let crc = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 0n ? crc >> 1n : (crc >> 1n) ^ polynomial
  return crc & mask64
})

function checksum(bytes: Uint8Array): bigint {
  let crc = 0n
  for (const byte of bytes) crc = table[Number((crc ^ BigInt(byte)) & 0xffn)] ^ (crc >> 8n)
  return crc
}

export function dumpLibraries(codes: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  for (const code of codes) parts.push(Buffer.of(functionOpcode), lengthOf(code.length), code)
  const version = Buffer.alloc(2)
  version.writeUInt16LE(rdbVersion)
  const body = Buffer.concat([...parts, version])
  const crc = Buffer.alloc(8)
  crc.writeBigUInt64LE(checksum(body))
  return Buffer.concat([body, crc])
}

function lengthOf(length: number): Buffer {
  if (length < 64) return Buffer.of(length)
  if (length < 16384) return Buffer.of(0x40 | (length >> 8), length & 0xff)
  const bytes = Buffer.of(0x80, 0, 0, 0, 0)
  bytes.writeUInt32BE(length, 1)
  return bytes
}

/** The libraries' texts, or why the bytes are no dump of them. */
export function readDump(bytes: Buffer): Buffer[] | string {
  const body = bytes.length - footerBytes
  const isWhole =
    body >= 0 && bytes.readUInt16LE(body) <= rdbVersionMax && bytes.readBigUInt64LE(body + 2) === checksum(bytes.subarray(0, body + 2))
  if (!isWhole) return 'ERR DUMP payload version or checksum are wrong'
  const reader = new Reader(bytes.subarray(0, body))
  const codes: Buffer[] = []
  while (!reader.isAtEnd) {
    if (reader.byte() !== functionOpcode) return 'ERR given type is not a function'
    const code = reader.string()
    if (code === undefined) return 'ERR failed loading functions payload'
    codes.push(code)
  }
  return codes
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? -1
  }

  /** Undefined when it is damaged. */
  string(): Buffer | undefined {
    const first = this.byte()
    if (first === 0xc3) {
      const packed = this.#length(this.byte())
      const length = this.#length(this.byte())
      const from = this.#take(packed)
      return from === undefined ? undefined : unpacked(from, length)
    }
    return first >= 0xc0 ? undefined : this.#take(this.#length(first))
  }

  #length(first: number): number {
    if (first < 0) return -1
    if (first >> 6 === 0) return first
    if (first >> 6 === 1) return ((first & 63) << 8) | this.byte()
    const bytes = first === 0x80 ? this.#take(4) : undefined
    return bytes === undefined ? -1 : bytes.readUInt32BE(0)
  }

  #take(length: number): Buffer | undefined {
    if (length < 0 || this.#at + length > this.#bytes.length) return undefined
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

/** What LZF has compressed: runs of bytes as they are, and references to what came before. */
function unpacked(from: Buffer, length: number): Buffer | undefined {
  const to = Buffer.alloc(length)
  let end = 0
  for (let at = 0; at < from.length; ) {
    const control = from[at++]
    if (control < 32) {
      const run = control + 1
      if (end + run > length || at + run > from.length) return undefined
      from.copy(to, end, at, at + run)
      at += run
      end += run
      continue
    }
    let run = control >> 5
    if (run === 7) run += from[at++] ?? 0
    run += 2
    const back = ((control & 31) << 8) + (from[at++] ?? 0) + 1
    if (back > end || end + run > length) return undefined
    for (let i = 0; i < run; i++, end++) to[end] = to[end - back]
  }
  return end === length ? to : undefined
}
