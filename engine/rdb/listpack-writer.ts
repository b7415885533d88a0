/** Makes listpacks, as redis-server makes them: what reads as an integer of 64 bits is one. `packed-sequence.ts` reads them. */
import { parseBigInteger, parseInteger } from '../integer.ts'
import { backwardLengthBytes } from './packed-sequence.ts'

const headerBytes = 6
const endMark = 0xff
const countMax = 0xffff
const integerBytesMax = 20
/** What an element takes at most besides its bytes. */
const overheadBytesMax = 16

export class ListpackWriter {
  bytes = Buffer.allocUnsafeSlow(512)
  /** Bytes of the listpack so far, without its end mark. */
  end = headerBytes
  count = 0

  clear(): void {
    this.end = headerBytes
    this.count = 0
  }

  /** Adds an element: an integer if it reads as one. */
  add(from: Buffer, start: number, end: number): void {
    const length = end - start
    this.#room(length + overheadBytesMax)
    const small = length <= integerBytesMax ? parseInteger(from, start, end) : Number.NaN
    if (!Number.isNaN(small)) this.addInteger(small)
    else {
      const big = length <= integerBytesMax && length > 15 ? parseBigInteger(from, start, end) : undefined
      if (big === undefined) this.#text(from, start, end)
      else this.addBigInteger(big)
    }
  }

  /** Adds a safe integer. */
  addInteger(value: number): void {
    this.#room(overheadBytesMax)
    const { bytes } = this
    const from = this.end
    let at = from
    if (value >= 0 && value < 128) bytes[at++] = value
    else if (value >= -4096 && value < 4096) {
      bytes[at++] = 0xc0 | ((value >> 8) & 0x1f)
      bytes[at++] = value & 0xff
    } else {
      const size = value >= -(2 ** 15) && value < 2 ** 15 ? 2 : value >= -(2 ** 23) && value < 2 ** 23 ? 3 : 4
      if (size === 4 && !(value >= -(2 ** 31) && value < 2 ** 31)) {
        this.addBigInteger(BigInt(value))
        return
      }
      bytes[at++] = 0xef + size
      at = bytes.writeIntLE(value, at, size)
    }
    this.#finish(from, at)
  }

  addBigInteger(value: bigint): void {
    this.#room(overheadBytesMax)
    if (value >= -(2n ** 31n) && value < 2n ** 31n) {
      this.addInteger(Number(value))
      return
    }
    const from = this.end
    this.bytes[from] = 0xf4
    this.#finish(from, this.bytes.writeBigInt64LE(value, from + 1))
  }

  /** Completes the listpack, which is `bytes[0, end)` until `clear`. */
  finish(): void {
    this.#room(1)
    this.bytes[this.end++] = endMark
    this.bytes.writeUInt32LE(this.end, 0)
    this.bytes.writeUInt16LE(Math.min(this.count, countMax), 4)
  }

  #text(from: Buffer, start: number, end: number): void {
    const { bytes } = this
    const length = end - start
    const begin = this.end
    let at = begin
    if (length < 64) bytes[at++] = 0x80 | length
    else if (length < 4096) {
      bytes[at++] = 0xe0 | (length >>> 8)
      bytes[at++] = length & 0xff
    } else {
      bytes[at++] = 0xf0
      at = bytes.writeUInt32LE(length, at)
    }
    bytes.set(from.subarray(start, end), at)
    this.#finish(begin, at + length)
  }

  /** Writes the length that a reader from behind looks for. */
  #finish(from: number, to: number): void {
    const length = to - from
    const size = backwardLengthBytes(length)
    for (let i = size - 1, rest = length; i >= 0; i--, rest = Math.floor(rest / 128)) {
      this.bytes[to + i] = (rest % 128) | (i === 0 ? 0 : 128)
    }
    this.end = to + size
    this.count++
  }

  #room(count: number): void {
    if (this.bytes.length - this.end >= count) return
    const more = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + count))
    this.bytes.copy(more, 0, 0, this.end)
    this.bytes = more
  }
}
