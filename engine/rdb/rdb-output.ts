/**
 * Writes RDB into a buffer that grows: lengths, and strings as redis-server writes them: short integers as such, what is longer than
 * 20 bytes compressed if that saves four, the rest as it is. Very long strings are not compressed: that would take longer than a slice.
 */
import { parseInteger } from '../integer.ts'
import { compressLzf } from './lzf.ts'
import { encodedLength, int8String, int16String, int32String, length32, length64, lzfString } from './rdb-format.ts'

const compressBytesMin = 21
const compressBytesMax = 1024 * 1024
/** What compressing must save, at least. */
const savedBytesMin = 4
const integerBytesMax = 11
const two32 = 2 ** 32
const initialBytes = 1024
const encoded = encodedLength << 6

export class RdbOutput {
  bytes = Buffer.allocUnsafeSlow(initialBytes)
  end = 0
  /** Whether strings are compressed: Redis's `rdbcompression`. */
  compresses = true
  /** A buffer that does not change any more: long strings of it are pieces of their own, and not copied. */
  refersTo: Buffer | undefined
  /** What comes before `bytes`, since the last call of `takePieces`. */
  #pieces: Buffer[] = []
  #scratch = Buffer.alloc(0)

  /** Makes `bytes[end, end + count)` writable. */
  room(count: number): void {
    if (this.bytes.length - this.end >= count) return
    const more = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + count))
    this.bytes.copy(more, 0, 0, this.end)
    this.bytes = more
  }

  /** What was written since the last call, in memory that nobody else will touch. */
  take(): Buffer {
    const taken = this.bytes.length > 2 * this.end ? Buffer.from(this.bytes.subarray(0, this.end)) : this.bytes.subarray(0, this.end)
    if (taken.buffer === this.bytes.buffer) this.bytes = Buffer.allocUnsafeSlow(initialBytes)
    this.end = 0
    return taken
  }

  /** Whether there are strings that were referred to since the last call of `takePieces`. */
  get hasPieces(): boolean {
    return this.#pieces.length > 0
  }

  /** As `take` where strings may have been referred to: one piece at least. */
  takePieces(): readonly Buffer[] {
    const pieces = this.#pieces
    if (this.end > 0 || pieces.length === 0) pieces.push(this.take())
    this.#pieces = []
    return pieces
  }

  byte(value: number): void {
    this.room(1)
    this.bytes[this.end++] = value
  }

  raw(from: Uint8Array, start: number, end: number): void {
    this.room(end - start)
    this.bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), this.end)
    this.end += end - start
  }

  length(length: number): void {
    this.room(9)
    const { bytes } = this
    if (length < 64) bytes[this.end++] = length
    else if (length < 16384) {
      bytes[this.end++] = 0x40 | (length >>> 8)
      bytes[this.end++] = length & 0xff
    } else if (length < two32) {
      bytes[this.end++] = length32
      this.end = bytes.writeUInt32BE(length, this.end)
    } else this.bigLength(BigInt(length))
  }

  /** A number of 64 bits, as a length. */
  bigLength(length: bigint): void {
    if (length < BigInt(two32)) {
      this.length(Number(length))
      return
    }
    this.room(9)
    this.bytes[this.end++] = length64
    this.end = this.bytes.writeBigUInt64BE(BigInt.asUintN(64, length), this.end)
  }

  u64(value: bigint): void {
    this.room(8)
    this.end = this.bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.end)
  }

  double(value: number): void {
    this.room(8)
    this.end = this.bytes.writeDoubleLE(value, this.end)
  }

  string(from: Buffer, start: number, end: number): void {
    const length = end - start
    if (length <= integerBytesMax && this.#integer(from, start, end)) return
    if (this.compresses && length >= compressBytesMin && length <= compressBytesMax && this.#compressed(from, start, end)) return
    this.length(length)
    if (from === this.refersTo && length > compressBytesMax) this.#pieces.push(this.take(), from.subarray(start, end))
    else this.raw(from, start, end)
  }

  #integer(from: Buffer, start: number, end: number): boolean {
    const value = parseInteger(from, start, end)
    if (!(value >= -(2 ** 31) && value < 2 ** 31)) return false
    this.room(5)
    const { bytes } = this
    if (value >= -128 && value < 128) {
      bytes[this.end++] = encoded | int8String
      this.end = bytes.writeInt8(value, this.end)
    } else if (value >= -32768 && value < 32768) {
      bytes[this.end++] = encoded | int16String
      this.end = bytes.writeInt16LE(value, this.end)
    } else {
      bytes[this.end++] = encoded | int32String
      this.end = bytes.writeInt32LE(value, this.end)
    }
    return true
  }

  #compressed(from: Buffer, start: number, end: number): boolean {
    const length = end - start
    const room = length - savedBytesMin
    if (this.#scratch.length < room) this.#scratch = Buffer.allocUnsafeSlow(Math.max(4096, room))
    const packed = compressLzf(from, start, end, this.#scratch, 0, room)
    if (packed === 0) return false
    this.byte(encoded | lzfString)
    this.length(packed)
    this.length(length)
    this.raw(this.#scratch, 0, packed)
    return true
  }
}
