/**
 * Reads the parts of RDB from a buffer: lengths, strings in their encodings, numbers. Bytes may come in portions: where some are
 * missing yet, `RdbShortage` is thrown, and whoever reads goes back to where it can begin again. No length is trusted: damage is
 * refused with the offset of what is wrong.
 */
import { formatInteger } from '../integer.ts'
import { decompressLzf, LzfUnpacking, unpackedBytesMax } from './lzf.ts'
import {
  encodedLength,
  int8String,
  int16String,
  int32String,
  length32,
  length64,
  longLength,
  lzfString,
  mediumLength,
} from './rdb-format.ts'

const two32 = 2 ** 32
const integerBytesMax = 20
const nothing = Buffer.alloc(0)

/** What is read is no RDB, or is damaged. */
export class RdbRefusal extends Error {
  override readonly name = 'RdbRefusal'
  readonly offset: number

  constructor(reason: string, offset: number) {
    super(`${reason} (at offset ${offset})`)
    this.offset = offset
  }
}

/** More bytes are needed. One instance serves all: nobody looks at its stack. */
export class RdbShortage extends Error {
  override readonly name = 'RdbShortage'
  /** How many, from where the input now is. */
  needed = 0
}

const shortage = new RdbShortage('more bytes are needed')

/** A long string has to be unpacked first (`RdbInput.unpack`). As `RdbShortage`. */
export class RdbUnpacking extends Error {
  override readonly name = 'RdbUnpacking'
}

const unpackingDue = new RdbUnpacking('a long string has to be unpacked')

/** A compressed string that is unpacked a part at a time. */
interface Unpacked {
  readonly bytes: Buffer
  readonly unpacking: LzfUnpacking
}

/** Where a string's bytes are; until the input or the same element is used again. */
export class RdbElement {
  bytes: Buffer = nothing
  start = 0
  end = 0
  /** What it is, if it was kept as an integer that is safe in a JS number; otherwise NaN. */
  integer = Number.NaN
  /** Made for the first integer: most elements never are one. */
  #digits: Buffer | undefined

  get length(): number {
    return this.end - this.start
  }

  set(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.integer = Number.NaN
  }

  setInteger(value: number): void {
    this.#digits ??= Buffer.allocUnsafe(integerBytesMax)
    this.set(this.#digits, 0, formatInteger(this.#digits, 0, value))
    this.integer = value
  }

  setBigInteger(value: bigint): void {
    this.#digits ??= Buffer.allocUnsafe(integerBytesMax)
    this.set(this.#digits, 0, this.#digits.write(value.toString(), 'latin1'))
  }

  /** A copy. */
  toBuffer(): Buffer {
    const copy = Buffer.allocUnsafe(this.length)
    this.bytes.copy(copy, 0, this.start, this.end)
    return copy
  }
}

/** Of a string: whether it is compressed, what it takes, and how long it is. */
export interface StringHeader {
  readonly isCompressed: boolean
  readonly storedBytes: number
  readonly bytes: number
}

export class RdbInput {
  bytes: Buffer
  at: number
  end: number
  /** Offset in the whole of `bytes[0]`. */
  base = 0
  /** Whether nothing more will come. */
  isComplete: boolean
  /** Longer strings are refused. */
  stringBytesMax = two32 - 1
  /** Compressed strings from this length on are unpacked a part at a time: `RdbUnpacking` is thrown where one comes, until `unpack` has done it. */
  slicedStringBytes = Number.POSITIVE_INFINITY
  /** Those of the element that is being read, by where they begin. */
  #unpacked: Map<number, Unpacked> | undefined
  #unpacks: Unpacked | undefined
  /** Where what is being read began, for those who tell of damage. */
  #from = 0

  constructor(bytes: Buffer, start = 0, end = bytes.length, isComplete = true) {
    this.bytes = bytes
    this.at = start
    this.end = end
    this.isComplete = isComplete
  }

  get offset(): number {
    return this.base + this.at
  }

  refuse(reason: string, at = this.at): never {
    throw new RdbRefusal(reason, this.base + at)
  }

  /** Skips `count` bytes; returns where they begin. */
  take(count: number): number {
    const { at } = this
    if (count > this.end - at) this.#isShort(count)
    this.at = at + count
    return at
  }

  #isShort(count: number): never {
    if (this.isComplete) this.refuse(`the data ends where ${count} more bytes should follow`)
    shortage.needed = count
    throw shortage
  }

  byte(): number {
    return this.bytes[this.take(1)]
  }

  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.take(8))
  }

  double(): number {
    return this.bytes.readDoubleLE(this.take(8))
  }

  /** A length, or number, that is safe in a JS number. */
  length(): number {
    const at = this.at
    const first = this.byte()
    const kind = first >>> 6
    if (kind === encodedLength) this.refuse('a string stands where a length is due', at)
    return kind === longLength ? this.#longLength(first, at) : kind === mediumLength ? ((first & 0x3f) << 8) | this.byte() : first
  }

  #longLength(first: number, at: number): number {
    if (first === length32) return this.bytes.readUInt32BE(this.take(4))
    if (first !== length64) this.refuse(`unknown kind of length 0x${first.toString(16)}`, at)
    const place = this.take(8)
    const value = this.bytes.readUInt32BE(place) * two32 + this.bytes.readUInt32BE(place + 4)
    if (!Number.isSafeInteger(value)) this.refuse('a length of more than 2^53', at)
    return value
  }

  /** A number of 64 bits, written as a length. */
  bigLength(): bigint {
    const at = this.at
    if (this.bytes[this.take(1)] === length64) return this.bytes.readBigUInt64BE(this.take(8))
    this.at = at
    return BigInt(this.length())
  }

  /** How a string lies here, which is behind what this has read; undefined, with nothing read, if it is a short integer. */
  stringHeader(): StringHeader | undefined {
    const from = this.at
    const first = this.byte()
    const isCompressed = first === ((encodedLength << 6) | lzfString)
    if (first >>> 6 === encodedLength && !isCompressed) {
      this.at = from
      return undefined
    }
    if (!isCompressed) this.at = from
    const storedBytes = this.length()
    const bytes = isCompressed ? this.length() : storedBytes
    if (bytes > this.stringBytesMax || bytes > unpackedBytesMax(storedBytes)) this.refuse(`a string cannot have ${bytes} bytes`, from)
    return { isCompressed, storedBytes, bytes }
  }

  string(out: RdbElement): void {
    this.#from = this.at
    const first = this.byte()
    const kind = first >>> 6
    if (kind === encodedLength) {
      this.#encodedString(first & 0x3f, out)
      return
    }
    this.at = this.#from
    const length = this.length()
    if (length > this.stringBytesMax) this.refuse(`a string of ${length} bytes, longer than any may be`, this.#from)
    const start = this.take(length)
    out.set(this.bytes, start, start + length)
  }

  /** Goes behind a string; a compressed one is not looked into. */
  skipString(): void {
    const from = this.at
    const first = this.byte()
    if (first >>> 6 !== encodedLength) {
      this.at = from
      this.take(this.length())
      return
    }
    const encoding = first & 0x3f
    if (encoding === lzfString) {
      const packed = this.length()
      this.length()
      this.take(packed)
    } else if (encoding > int32String) this.refuse(`unknown encoding ${encoding} of a string`, from)
    else this.take(1 << encoding)
  }

  #encodedString(encoding: number, out: RdbElement): void {
    if (encoding === int8String) out.setInteger(this.bytes.readInt8(this.take(1)))
    else if (encoding === int16String) out.setInteger(this.bytes.readInt16LE(this.take(2)))
    else if (encoding === int32String) out.setInteger(this.bytes.readInt32LE(this.take(4)))
    else if (encoding === lzfString) this.#compressedString(out)
    else this.refuse(`unknown encoding ${encoding} of a string`, this.#from)
  }

  #compressedString(out: RdbElement): void {
    const packed = this.length()
    const length = this.length()
    if (length > this.stringBytesMax || length > unpackedBytesMax(packed))
      this.refuse(`a compressed string of ${packed} bytes cannot be one of ${length}`, this.#from)
    const start = this.take(packed)
    if (length >= this.slicedStringBytes) {
      out.set(this.#unpackedFrom(start, packed, length), 0, length)
      return
    }
    const bytes = Buffer.allocUnsafe(length)
    if (!decompressLzf(this.bytes, start, start + packed, bytes)) this.refuse('a compressed string is damaged', this.#from)
    out.set(bytes, 0, length)
  }

  #unpackedFrom(start: number, packed: number, length: number): Buffer {
    const known = this.#unpacked?.get(start)
    if (known !== undefined) return known.bytes
    const bytes = Buffer.allocUnsafeSlow(length)
    this.#unpacks = { bytes, unpacking: new LzfUnpacking(this.bytes, start, start + packed, bytes, 0, length) }
    this.#unpacked ??= new Map()
    this.#unpacked.set(start, this.#unpacks)
    throw unpackingDue
  }

  /** Whether `unpack` has something to do. */
  get mustUnpack(): boolean {
    return this.#unpacks !== undefined
  }

  /** Bytes of strings that were unpacked a part at a time and are still needed. */
  get unpackedBytes(): number {
    let bytes = 0
    if (this.#unpacked !== undefined) for (const unpacked of this.#unpacked.values()) bytes += unpacked.bytes.length
    return bytes
  }

  /** Unpacks about so many bytes of a long string. */
  unpack(bytesMax: number): void {
    const { unpacking } = this.#unpacks as Unpacked
    if (!unpacking.step(bytesMax)) this.refuse('a compressed string is damaged')
    if (unpacking.hasMore) return
    if (!unpacking.isComplete) this.refuse('a compressed string is damaged')
    this.#unpacks = undefined
  }

  /** An element has been read: what was unpacked for it is not needed any more. */
  elementRead(): void {
    this.#unpacked = undefined
  }
}
