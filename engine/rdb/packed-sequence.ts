/**
 * The packed sequences that RDB has as strings: listpacks, ziplists, intsets and zipmaps. Each is read from its beginning to its end,
 * every length checked against the bytes that are there; `count` elements must be there when it says how many.
 */
import { backLengthBytes } from '../types/listpack-size.ts'
import type { RdbElement } from './rdb-input.ts'

/** A sequence is damaged: at this place in its bytes. */
export class DamagedSequence extends Error {
  override readonly name = 'DamagedSequence'
  readonly at: number

  constructor(reason: string, at: number) {
    super(reason)
    this.at = at
  }
}

export interface PackedSequence {
  /** Reads the next element; false at the end. */
  next(out: RdbElement): boolean
}

const listpackHeaderBytes = 6
const ziplistHeaderBytes = 10
const endMark = 0xff
/** A listpack or ziplist that has this many elements, or more, does not say how many. */
const uncounted = 0xffff

/** What listpacks and ziplists have in common: they say how many bytes and elements they have. */
abstract class CountedSequence implements PackedSequence {
  protected readonly bytes: Buffer
  protected readonly end: number
  protected at: number
  readonly #told: number
  #read = 0

  constructor(bytes: Buffer, start: number, end: number, headerBytes: number, countAt: number, name: string) {
    if (end - start < headerBytes + 1) throw new DamagedSequence(`a ${name} of ${end - start} bytes`, start)
    if (bytes.readUInt32LE(start) !== end - start) throw new DamagedSequence(`a ${name} that says to have another length`, start)
    if (bytes[end - 1] !== endMark) throw new DamagedSequence(`a ${name} without its end mark`, end - 1)
    this.bytes = bytes
    this.at = start + headerBytes
    this.end = end - 1
    this.#told = bytes.readUInt16LE(start + countAt)
  }

  next(out: RdbElement): boolean {
    if (this.at === this.end) {
      if (this.#told !== uncounted && this.#told !== this.#read) this.damaged(`${this.#told} elements told of, ${this.#read} there`)
      return false
    }
    this.#read++
    this.element(out)
    return true
  }

  protected abstract element(out: RdbElement): void

  protected damaged(reason: string): never {
    throw new DamagedSequence(reason, this.at)
  }

  /** The bytes from `at` on are there, or the sequence is damaged. */
  protected need(at: number, count: number): void {
    if (count > this.end - at) this.damaged('an element that goes beyond the end')
  }
}

export class Listpack extends CountedSequence {
  constructor(bytes: Buffer, start: number, end: number) {
    super(bytes, start, end, listpackHeaderBytes, 4, 'listpack')
  }

  protected override element(out: RdbElement): void {
    const { bytes, at } = this
    const first = bytes[at]
    let end: number
    if (first < 0x80) {
      out.setInteger(first)
      end = at + 1
    } else if (first < 0xc0) end = this.#text(out, at + 1, first & 0x3f)
    else if (first < 0xe0) {
      this.need(at, 2)
      const value = ((first & 0x1f) << 8) | bytes[at + 1]
      out.setInteger(value < 4096 ? value : value - 8192)
      end = at + 2
    } else if (first < 0xf0) {
      this.need(at, 2)
      end = this.#text(out, at + 2, ((first & 0x0f) << 8) | bytes[at + 1])
    } else end = this.#large(first, out)
    this.at = this.#backwardLength(end, end - at)
  }

  #text(out: RdbElement, start: number, length: number): number {
    this.need(start, length)
    out.set(this.bytes, start, start + length)
    return start + length
  }

  #large(first: number, out: RdbElement): number {
    const { bytes, at } = this
    const size = first === 0xf0 ? 4 : first === 0xf4 ? 8 : first <= 0xf3 ? first - 0xef : 0
    if (size === 0) this.damaged(`unknown encoding 0x${first.toString(16)} of an element`)
    this.need(at, 1 + size)
    if (first === 0xf0) return this.#text(out, at + 5, bytes.readUInt32LE(at + 1))
    if (first === 0xf4) out.setBigInteger(bytes.readBigInt64LE(at + 1))
    else out.setInteger(bytes.readIntLE(at + 1, size))
    return at + 1 + size
  }

  /** Checks the length that a reader from behind would find; returns where the next element begins. */
  #backwardLength(at: number, length: number): number {
    const size = backLengthBytes(length)
    this.need(at, size)
    for (let i = 0, rest = length; i < size; i++, rest = Math.floor(rest / 128)) {
      const wanted = (rest % 128) | (i === 0 && size === 1 ? 0 : i === size - 1 ? 0 : 128)
      if (this.bytes[at + size - 1 - i] !== wanted) this.damaged('an element with another length from behind')
    }
    return at + size
  }
}

export class Ziplist extends CountedSequence {
  readonly #tail: number
  #previousLength = 0
  #last = 0

  constructor(bytes: Buffer, start: number, end: number) {
    super(bytes, start, end, ziplistHeaderBytes, 8, 'ziplist')
    this.#tail = start + bytes.readUInt32LE(start + 4)
    this.#last = this.at
  }

  override next(out: RdbElement): boolean {
    if (super.next(out)) return true
    if (this.#tail !== this.#last) this.damaged('a ziplist whose last element is not where it says')
    return false
  }

  protected override element(out: RdbElement): void {
    const { bytes, at } = this
    let body = at + 1
    let previous = bytes[at]
    if (previous === 0xfe) {
      this.need(at, 5)
      previous = bytes.readUInt32LE(at + 1)
      body = at + 5
    } else if (previous === endMark) this.damaged('an end mark in the middle')
    if (previous !== this.#previousLength) this.damaged('an element that says another length of the one before')
    this.need(body, 1)
    this.at = this.#body(body, bytes[body], out)
    this.#previousLength = this.at - at
    this.#last = at
  }

  /** Returns where the next element begins. */
  #body(at: number, first: number, out: RdbElement): number {
    const { bytes } = this
    const kind = first >>> 6
    if (kind === 3) return this.#integer(at, first, out)
    const size = kind === 0 ? 1 : kind === 1 ? 2 : 5
    this.need(at, size)
    const length = kind === 0 ? first : kind === 1 ? ((first & 0x3f) << 8) | bytes[at + 1] : bytes.readUInt32BE(at + 1)
    this.need(at + size, length)
    out.set(bytes, at + size, at + size + length)
    return at + size + length
  }

  #integer(at: number, first: number, out: RdbElement): number {
    if (first >= 0xf1 && first <= 0xfd) {
      out.setInteger(first - 0xf1)
      return at + 1
    }
    const size = first === 0xfe ? 1 : first === 0xc0 ? 2 : first === 0xf0 ? 3 : first === 0xd0 ? 4 : first === 0xe0 ? 8 : 0
    if (size === 0) this.damaged(`unknown encoding 0x${first.toString(16)} of an element`)
    this.need(at + 1, size)
    if (size === 8) out.setBigInteger(this.bytes.readBigInt64LE(at + 1))
    else out.setInteger(this.bytes.readIntLE(at + 1, size))
    return at + 1 + size
  }
}

/** Integers of one size, in ascending order. */
export class Intset implements PackedSequence {
  readonly count: number
  readonly #bytes: Buffer
  readonly #size: number
  readonly #end: number
  #at: number
  #last: bigint | undefined

  constructor(bytes: Buffer, start: number, end: number) {
    if (end - start < 8) throw new DamagedSequence(`an intset of ${end - start} bytes`, start)
    this.#size = bytes.readUInt32LE(start)
    this.count = bytes.readUInt32LE(start + 4)
    const isSize = this.#size === 2 || this.#size === 4 || this.#size === 8
    if (!isSize || this.count * this.#size !== end - start - 8) throw new DamagedSequence('an intset of another size than it says', start)
    this.#bytes = bytes
    this.#at = start + 8
    this.#end = end
  }

  next(out: RdbElement): boolean {
    const at = this.#at
    if (at === this.#end) return false
    const bytes = this.#bytes
    const value = this.#size === 8 ? bytes.readBigInt64LE(at) : BigInt(bytes.readIntLE(at, this.#size))
    if (this.#last !== undefined && value <= this.#last) throw new DamagedSequence('an intset that is not in order', at)
    this.#last = value
    out.setBigInteger(value)
    this.#at = at + this.#size
    return true
  }
}

/** Fields and values alternating, as Redis 2.4 kept small hashes. */
export class Zipmap implements PackedSequence {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  #isValue = false

  constructor(bytes: Buffer, start: number, end: number) {
    if (end - start < 2) throw new DamagedSequence(`a zipmap of ${end - start} bytes`, start)
    if (bytes[end - 1] !== endMark) throw new DamagedSequence('a zipmap without its end mark', end - 1)
    this.#bytes = bytes
    this.#at = start + 1
    this.#end = end - 1
  }

  next(out: RdbElement): boolean {
    const bytes = this.#bytes
    const at = this.#at
    if (at === this.#end) {
      if (this.#isValue) throw new DamagedSequence('a field without a value', at)
      return false
    }
    let body = at + 1
    let length = bytes[at]
    if (length === 0xfe) {
      this.#need(at, 5)
      length = bytes.readUInt32LE(at + 1)
      body = at + 5
    } else if (length === endMark) throw new DamagedSequence('an end mark in the middle', at)
    let free = 0
    if (this.#isValue) {
      this.#need(body, 1)
      free = bytes[body++]
    }
    this.#need(body, length + free)
    out.set(bytes, body, body + length)
    this.#at = body + length + free
    this.#isValue = !this.#isValue
    return true
  }

  #need(at: number, count: number): void {
    if (count > this.#end - at) throw new DamagedSequence('an element that goes beyond the end', at)
  }
}
