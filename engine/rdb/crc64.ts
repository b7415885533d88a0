/**
 * CRC-64 with the Jones polynomial (0xad93d23594c935a9, reflected, from 0, nothing inverted), as RDB files and dumps end with.
 *
 * Eight bytes are taken at a time, with a table for each ("slicing by eight"); a value is two 32-bit halves. The checksum of
 * bytes that lie behind one another can be made of those of the parts (`append`): a checksum moves over `n` bytes as if they
 * were zeros, which is linear, so matrices for powers of two do it.
 */

const polynomialLow = 0xac4bc9b5
const polynomialHigh = 0x95ac9329
export const crcBytes = 8
const two32 = 2 ** 32

/** Halves of the checksum of one byte and `k` zero bytes behind it: at `k * 256 + byte`. */
const tableLow = new Uint32Array(8 * 256)
const tableHigh = new Uint32Array(8 * 256)

for (let byte = 0; byte < 256; byte++) {
  let low = byte
  let high = 0
  for (let bit = 0; bit < 8; bit++) {
    const carries = (low & 1) !== 0
    low = ((low >>> 1) | (high << 31)) >>> 0
    high >>>= 1
    if (!carries) continue
    low = (low ^ polynomialLow) >>> 0
    high = (high ^ polynomialHigh) >>> 0
  }
  tableLow[byte] = low
  tableHigh[byte] = high
}
for (let k = 256; k < 8 * 256; k++) {
  const low = tableLow[k - 256]
  const high = tableHigh[k - 256]
  tableLow[k] = ((low >>> 8) | (high << 24)) ^ tableLow[low & 0xff]
  tableHigh[k] = (high >>> 8) ^ tableHigh[low & 0xff]
}

export class Crc64 {
  low = 0
  high = 0

  reset(): void {
    this.low = 0
    this.high = 0
  }

  set(other: Crc64): void {
    this.low = other.low
    this.high = other.high
  }

  /** Goes on with `bytes[start, end)`. */
  update(bytes: Uint8Array, start: number, end: number): void {
    let { low, high } = this
    let at = start
    for (const last = end - 8; at <= last; at += 8) {
      const a = low ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24))
      const b = high ^ (bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24))
      const a0 = 1792 + (a & 0xff)
      const a1 = 1536 + ((a >>> 8) & 0xff)
      const a2 = 1280 + ((a >>> 16) & 0xff)
      const a3 = 1024 + (a >>> 24)
      const b0 = 768 + (b & 0xff)
      const b1 = 512 + ((b >>> 8) & 0xff)
      const b2 = 256 + ((b >>> 16) & 0xff)
      const b3 = b >>> 24
      low = tableLow[a0] ^ tableLow[a1] ^ tableLow[a2] ^ tableLow[a3] ^ tableLow[b0] ^ tableLow[b1] ^ tableLow[b2] ^ tableLow[b3]
      high = tableHigh[a0] ^ tableHigh[a1] ^ tableHigh[a2] ^ tableHigh[a3] ^ tableHigh[b0] ^ tableHigh[b1] ^ tableHigh[b2] ^ tableHigh[b3]
    }
    for (; at < end; at++) {
      const row = (low ^ bytes[at]) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ tableLow[row]
      high = (high >>> 8) ^ tableHigh[row]
    }
    this.low = low >>> 0
    this.high = high >>> 0
  }

  /** Goes on with `length` bytes whose own checksum is known. */
  append(other: Crc64, length: number): void {
    for (let power = 0, left = length; left > 0; power++, left = Math.floor(left / 2)) if (left % 2 === 1) shift(this, power)
    this.low = (this.low ^ other.low) >>> 0
    this.high = (this.high ^ other.high) >>> 0
  }

  /** Writes the checksum as files have it, little-endian. Returns the offset behind it. */
  write(into: Buffer, at: number): number {
    into.writeUInt32LE(this.low, at)
    return into.writeUInt32LE(this.high, at + 4)
  }

  /** Whether the 8 bytes at `at` are this checksum. */
  matches(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32LE(at) === this.low && bytes.readUInt32LE(at + 4) === this.high
  }

  toString(): string {
    return (BigInt(this.high) * BigInt(two32) + BigInt(this.low)).toString(16).padStart(16, '0')
  }
}

/** Columns (low, high) of the matrices that move a checksum over 2^n zero bytes; made as they are needed. */
const shifts: Uint32Array[] = []

function shift(crc: Crc64, power: number): void {
  while (shifts.length <= power) shifts.push(shifts.length === 0 ? overOneByte() : squared(shifts.at(-1) as Uint32Array))
  multiply(shifts[power], crc.low, crc.high, crc)
}

function overOneByte(): Uint32Array {
  const columns = new Uint32Array(128)
  for (let bit = 0; bit < 64; bit++) {
    const low = bit < 32 ? 2 ** bit : 0
    const high = bit < 32 ? 0 : 2 ** (bit - 32)
    columns[bit * 2] = ((low >>> 8) | (high << 24)) ^ tableLow[low & 0xff]
    columns[bit * 2 + 1] = (high >>> 8) ^ tableHigh[low & 0xff]
  }
  return columns
}

function squared(columns: Uint32Array): Uint32Array {
  const square = new Uint32Array(128)
  const product = new Crc64()
  for (let bit = 0; bit < 64; bit++) {
    multiply(columns, columns[bit * 2], columns[bit * 2 + 1], product)
    square[bit * 2] = product.low
    square[bit * 2 + 1] = product.high
  }
  return square
}

function multiply(columns: Uint32Array, vectorLow: number, vectorHigh: number, into: Crc64): void {
  let low = 0
  let high = 0
  for (let bit = 0, rest = vectorLow; rest !== 0; bit += 2, rest >>>= 1) {
    if ((rest & 1) === 0) continue
    low ^= columns[bit]
    high ^= columns[bit + 1]
  }
  for (let bit = 64, rest = vectorHigh; rest !== 0; bit += 2, rest >>>= 1) {
    if ((rest & 1) === 0) continue
    low ^= columns[bit]
    high ^= columns[bit + 1]
  }
  into.low = low >>> 0
  into.high = high >>> 0
}
