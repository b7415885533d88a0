/**
 * Where the mutations of one request are gathered as bytes, to become one log record. Reused; grows as needed.
 *
 * A large range whose bytes will stay as they are is not copied: the record is `bytes[0, end)` with the `references`
 * inserted where they say.
 */

import { largeValueBytes } from '../keyspace/values.ts'
import { writeU32LE, writeU48LE } from '../memory/byte-order.ts'
import { byteCopyBytesMax, copyBetweenViews, copyBytes, copyFromWords, wordCopyBytesMax, wordView } from '../memory/word-copy.ts'

const keptBytes = 1024 * 1024
/** Buffers do not grow by doubling beyond this: none can have more than 4 GiB. */
const doubledBytesMax = 2 ** 32 - 1

/** Up to 2^35 − 1. */
export const longVarintBytes = 5

/** Bytes of a record that lie elsewhere, and stay as they are until the record is committed. */
export interface RecordReference {
  /** Where in the record's own bytes they are to be inserted. */
  readonly at: number
  readonly bytes: Uint8Array
}

export class RecordBuffer {
  bytes: Buffer
  /** `bytes`, to be written by words. */
  #view: DataView
  end = 0
  readonly references: RecordReference[] = []
  /** A buffer that is not used again: large ranges of it need not be copied. */
  lasting: Uint8Array | undefined
  readonly #largeBytes: number
  #referredBytes = 0

  /** Ranges of at least `largeBytes` are referred to, if they can be. `initialBytes`: few for one that is used once. */
  constructor(largeBytes = largeValueBytes, initialBytes = 4096) {
    this.#largeBytes = largeBytes
    this.bytes = Buffer.allocUnsafe(initialBytes)
    this.#view = wordView(this.bytes)
  }

  /** Bytes of the record, those that it refers to included. */
  get length(): number {
    return this.end + this.#referredBytes
  }

  clear(): void {
    this.end = 0
    this.#referredBytes = 0
    if (this.references.length > 0) this.references.length = 0
    if (this.bytes.length > keptBytes) this.#use(Buffer.allocUnsafeSlow(4096))
  }

  byte(value: number): void {
    if (this.end === this.bytes.length) this.#grow(1)
    this.bytes[this.end++] = value
  }

  varint(value: number): void {
    if (this.bytes.length - this.end < 8) this.#grow(8)
    let rest = value
    while (rest >= 0x80) {
      this.bytes[this.end++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.bytes[this.end++] = rest
  }

  /** Writes a varint of `longVarintBytes`, whatever its value, to where room was reserved for it: of what follows it only comes to be known later how much it is. */
  longVarintAt(at: number, value: number): void {
    let rest = value
    for (let i = at; i < at + longVarintBytes - 1; i++) {
      this.bytes[i] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.bytes[at + longVarintBytes - 1] = rest
  }

  u32(value: number): void {
    if (this.bytes.length - this.end < 4) this.#grow(4)
    this.end = writeU32LE(this.bytes, this.end, value)
  }

  /** An unsigned integer below 2^48, 6 bytes, little-endian. */
  u48(value: number): void {
    if (this.bytes.length - this.end < 6) this.#grow(6)
    this.end = writeU48LE(this.bytes, this.end, value)
  }

  /** Room for so many bytes, which are for the caller to write into `bytes` at the offset that is returned. */
  reserve(length: number): number {
    if (this.bytes.length - this.end < length) this.#grow(length)
    const at = this.end
    this.end = at + length
    return at
  }

  /** The bytes, and no length. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.bytes.length - this.end < length) this.#grow(length)
    if (length <= byteCopyBytesMax) copyBytes(bytes, start, end, this.bytes, this.end)
    else this.bytes.set(bytes.subarray(start, end), this.end)
    this.end += length
  }

  /** Length as a varint, then the bytes. */
  range(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > byteCopyBytesMax && length >= this.#largeBytes && bytes === this.lasting) {
      this.reference(bytes, start, end)
      return
    }
    this.varint(length)
    if (this.bytes.length - this.end < length) this.#grow(length)
    if (length <= byteCopyBytesMax) copyBytes(bytes, start, end, this.bytes, this.end)
    else this.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.end)
    this.end += length
  }

  /** As `range`, of all that another buffer holds. */
  rangeOf(other: RecordBuffer): void {
    const { end } = other
    if (end > wordCopyBytesMax) {
      this.range(other.bytes, 0, end)
      return
    }
    this.varint(end)
    if (this.bytes.length - this.end < end) this.#grow(end)
    copyBetweenViews(other.#view, 0, this.#view, this.end, end)
    this.end += end
  }

  /** As `range`, for a short value that begins at `words[w]`. */
  wordRange(words: Uint32Array, w: number, length: number): void {
    this.varint(length)
    // What is overwritten behind it, up to the end of the last word, is written after it.
    if (this.bytes.length - this.end < length + 3) this.#grow(length + 3)
    copyFromWords(words, w, this.#view, this.end, length)
    this.end += length
  }

  /** As `range` without copying the bytes: they stay as they are until the record is committed. */
  reference(bytes: Uint8Array, start: number, end: number): void {
    this.varint(end - start)
    this.references.push({ at: this.end, bytes: bytes.subarray(start, end) })
    this.#referredBytes += end - start
  }

  #grow(room: number): void {
    const more = Buffer.allocUnsafeSlow(Math.max(Math.min(this.bytes.length * 2, doubledBytesMax), this.end + room))
    this.bytes.copy(more, 0, 0, this.end)
    this.#use(more)
  }

  #use(bytes: Buffer<ArrayBuffer>): void {
    this.bytes = bytes
    this.#view = wordView(bytes)
  }
}
