/**
 * Elements of Redis's listpack (its listpack specification), as lists keep them and dumps have them:
 *
 *   encoding byte, which has a short integer or a short length in it · the rest of the integer, or of the length and the bytes ·
 *   back-length: how many bytes the two take, 7 bits a byte, the last byte lowest, all but the first with the high bit
 *
 * So elements are met from either end. What reads as an integer of 64 bits is always kept as one: equal bytes are equal elements.
 */

import { formatInteger, parseBigInteger, parseInteger } from '../integer.ts'
import { readU32LE, writeU32LE } from '../memory/byte-order.ts'
import { putBytes } from '../memory/packed-bytes.ts'
import {
  backLengthBytes,
  bigIntegerBytesMin,
  integerDigitsMax,
  integerElementBytes,
  mayBeInteger,
  withBackLength,
} from './listpack-size.ts'

/** First bytes, from which on they mean what is named; below the first one lie integers of seven bits. */
const text6 = 0x80
const integer13 = 0xc0
const text12 = 0xe0
const text32 = 0xf0
const integer16 = 0xf1
const integer32 = 0xf3
const integer64 = 0xf4
const two32 = 2 ** 32

/** Bytes of the element at an offset. */
export function elementBytesAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]
  if (first < text6) return 2
  if (first < integer13) return (first & 0x3f) + 2
  if (first < text12) return 3
  if (first < text32) return withBackLength(2 + (((first & 0x0f) << 8) | bytes[at + 1]))
  if (first === text32) return withBackLength(5 + readU32LE(bytes, at + 1))
  return first === integer64 ? 10 : first - integer16 + 4
}

/** Length of the text that a first byte begins and that takes two bytes more, one before and one behind; -1 for any other element. */
export function shortTextLength(first: number): number {
  return first >= text6 && first < integer13 ? first & 0x3f : -1
}

/** Bytes of the element that ends at an offset. */
export function elementBytesBefore(bytes: Uint8Array, end: number): number {
  let at = end - 1
  let byte = bytes[at]
  if (byte < 0x80) return byte + 1
  let body = byte & 0x7f
  for (let shift = 7; byte >= 0x80; shift += 7) {
    byte = bytes[--at]
    body += (byte & 0x7f) * 2 ** shift
  }
  return body + end - at
}

/** Writes an element, for which there is room. Returns the offset behind it. */
export function writeElement(bytes: Buffer, at: number, from: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (mayBeInteger(from, start, length)) {
    const value = parseInteger(from, start, end)
    if (!Number.isNaN(value)) return writeIntegerElement(bytes, at, value)
    const big = length >= bigIntegerBytesMin ? parseBigInteger(from, start, end) : undefined
    if (big !== undefined) return writeBigIntegerElement(bytes, at, big)
  }
  let body = at
  if (length < 64) bytes[body++] = text6 | length
  else if (length < 4096) {
    bytes[body++] = text12 | (length >>> 8)
    bytes[body++] = length
  } else {
    bytes[body++] = text32
    body = writeU32LE(bytes, body, length)
  }
  return writeBackLength(bytes, at, putBytes(bytes, body, from, start, end))
}

/** As `writeElement`, of a safe integer. */
export function writeIntegerElement(bytes: Buffer, at: number, value: number): number {
  const size = integerElementBytes(value)
  let body = at
  if (size === 2) bytes[body++] = value
  else if (size === 3) {
    bytes[body++] = integer13 | ((value >> 8) & 0x1f)
    bytes[body++] = value
  } else if (size < 10) {
    bytes[body++] = integer16 + size - 4
    for (let shift = 0; shift < 8 * (size - 2); shift += 8) bytes[body++] = value >> shift
  } else {
    bytes[body++] = integer64
    const high = Math.floor(value / two32)
    body = bytes.writeInt32LE(high, writeU32LE(bytes, body, value - high * two32))
  }
  bytes[body] = size - 1
  return at + size
}

/** As `writeElement`, of an integer beyond the safe ones, of 64 bits. */
export function writeBigIntegerElement(bytes: Buffer, at: number, value: bigint): number {
  bytes[at] = integer64
  return writeBackLength(bytes, at, bytes.writeBigInt64LE(value, at + 1))
}

/** A text of this length or a longer one, which is no integer whatever its bytes are. */
export const longTextBytes = 4096
/** In front of a long text's bytes. */
export const longTextHeadBytes = 5

/** Bytes of the element that is a long text. */
export function longTextElementBytes(length: number): number {
  return withBackLength(longTextHeadBytes + length)
}

/** As `writeElement`, of a long text whose bytes are still to be written, behind its head. */
export function writeHollowText(bytes: Buffer, at: number, length: number): void {
  bytes[at] = text32
  writeU32LE(bytes, at + 1, length)
  writeBackLength(bytes, at, at + longTextHeadBytes + length)
}

/** Of the element that begins at `at` and has its bytes up to `behind`. Returns the offset behind. */
function writeBackLength(bytes: Uint8Array, at: number, behind: number): number {
  let body = behind - at
  const size = backLengthBytes(body)
  for (let i = size - 1; i > 0; i--) {
    bytes[behind + i] = (body & 0x7f) | 0x80
    body = Math.floor(body / 128)
  }
  bytes[behind] = body
  return behind + size
}

/**
 * An element that was read: `bytes[start, end)`, in the buffer that was read from or, of an integer, in one of its own, until the next
 * one is read. The next element begins at `next`.
 */
export class ListpackElement {
  bytes: Buffer
  start = 0
  end = 0
  next = 0
  readonly #digits = Buffer.alloc(integerDigitsMax)

  constructor() {
    this.bytes = this.#digits
  }

  read(bytes: Buffer, at: number): void {
    const first = bytes[at]
    if (first >= text6 && first < integer13) this.#text(bytes, at, 1, first & 0x3f)
    else if (first < text6) this.#integer(first, at + 2)
    else this.#readLonger(bytes, at, first)
  }

  #readLonger(bytes: Buffer, at: number, first: number): void {
    if (first < text12) this.#integer((((first << 8) | bytes[at + 1]) << 19) >> 19, at + 3)
    else if (first < text32) this.#text(bytes, at, 2, ((first & 0x0f) << 8) | bytes[at + 1])
    else if (first === text32) this.#text(bytes, at, 5, readU32LE(bytes, at + 1))
    else if (first <= integer32) this.#integer(bytes.readIntLE(at + 1, first - integer16 + 2), at + first - integer16 + 4)
    else this.#integer64(bytes, at)
  }

  #text(bytes: Buffer, at: number, headBytes: number, length: number): void {
    this.bytes = bytes
    this.start = at + headBytes
    this.end = this.start + length
    this.next = this.end + (length < 64 ? 1 : backLengthBytes(headBytes + length))
  }

  #integer(value: number, next: number): void {
    this.bytes = this.#digits
    this.start = 0
    this.end = formatInteger(this.#digits, 0, value)
    this.next = next
  }

  #integer64(bytes: Buffer, at: number): void {
    const value = bytes.readInt32LE(at + 5) * two32 + readU32LE(bytes, at + 1)
    this.#integer(Number.isSafeInteger(value) ? value : 0, at + 10)
    if (!Number.isSafeInteger(value)) this.end = this.#digits.write(bytes.readBigInt64LE(at + 1).toString(), 0, 'latin1')
  }
}
