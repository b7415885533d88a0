/**
 * Ids of stream entries: milliseconds and a sequence number, 64 bits each, unsigned. Kept as four 32-bit words, so that comparing allocates
 * nothing; in bytes 16, big-endian, so that the bytes' order is that of the ids.
 */

import { formatInteger, uint64Max } from '../integer.ts'
import { readU32BE, writeU32BE } from '../memory/byte-order.ts'

export const idBytes = 16
const two32 = 2 ** 32
const highOfSafe = 2 ** 21

export class StreamId {
  msHigh = 0
  msLow = 0
  seqHigh = 0
  seqLow = 0

  set(msHigh: number, msLow: number, seqHigh: number, seqLow: number): this {
    this.msHigh = msHigh
    this.msLow = msLow
    this.seqHigh = seqHigh
    this.seqLow = seqLow
    return this
  }

  /** From numbers that are safe integers. */
  setNumbers(ms: number, seq: number): this {
    return this.set(Math.floor(ms / two32), ms >>> 0, Math.floor(seq / two32), seq >>> 0)
  }

  setMin(): this {
    return this.set(0, 0, 0, 0)
  }

  setMax(): this {
    return this.set(two32 - 1, two32 - 1, two32 - 1, two32 - 1)
  }

  copy(from: StreamId): this {
    return this.set(from.msHigh, from.msLow, from.seqHigh, from.seqLow)
  }

  read(bytes: Buffer, at: number): this {
    this.msHigh = readU32BE(bytes, at)
    this.msLow = readU32BE(bytes, at + 4)
    this.seqHigh = readU32BE(bytes, at + 8)
    this.seqLow = readU32BE(bytes, at + 12)
    return this
  }

  write(bytes: Buffer, at: number): void {
    writeU32BE(bytes, at, this.msHigh)
    writeU32BE(bytes, at + 4, this.msLow)
    writeU32BE(bytes, at + 8, this.seqHigh)
    writeU32BE(bytes, at + 12, this.seqLow)
  }

  /** Negative, 0 or positive, as it lies before, at or behind the other. */
  compare(other: StreamId): number {
    if (this.msHigh !== other.msHigh) return this.msHigh - other.msHigh
    if (this.msLow !== other.msLow) return this.msLow - other.msLow
    if (this.seqHigh !== other.seqHigh) return this.seqHigh - other.seqHigh
    return this.seqLow - other.seqLow
  }

  /** As `compare` for an id in bytes. */
  compareAt(bytes: Buffer, at: number): number {
    const first = this.msHigh - readU32BE(bytes, at)
    if (first !== 0) return first
    const second = this.msLow - readU32BE(bytes, at + 4)
    if (second !== 0) return second
    const third = this.seqHigh - readU32BE(bytes, at + 8)
    return third !== 0 ? third : this.seqLow - readU32BE(bytes, at + 12)
  }

  get isZero(): boolean {
    return this.msLow === 0 && this.seqLow === 0 && this.msHigh === 0 && this.seqHigh === 0
  }

  /** The next id; false, and nothing changed, behind the last. */
  increment(): boolean {
    if (this.seqLow < two32 - 1) this.seqLow++
    else if (this.seqHigh < two32 - 1) this.set(this.msHigh, this.msLow, this.seqHigh + 1, 0)
    else if (this.msLow < two32 - 1) this.set(this.msHigh, this.msLow + 1, 0, 0)
    else if (this.msHigh < two32 - 1) this.set(this.msHigh + 1, 0, 0, 0)
    else return false
    return true
  }

  /** The id before; false, and nothing changed, in front of the first. */
  decrement(): boolean {
    const most = two32 - 1
    if (this.seqLow > 0) this.seqLow--
    else if (this.seqHigh > 0) this.set(this.msHigh, this.msLow, this.seqHigh - 1, most)
    else if (this.msLow > 0) this.set(this.msHigh, this.msLow - 1, most, most)
    else if (this.msHigh > 0) this.set(this.msHigh - 1, most, most, most)
    else return false
    return true
  }

  /** Milliseconds as a number, which is exact below 2^53. */
  get ms(): number {
    return this.msHigh * two32 + this.msLow
  }

  get seq(): number {
    return this.seqHigh * two32 + this.seqLow
  }

  /** Writes `ms-seq` in decimal, up to 41 bytes; returns the end. */
  format(into: Buffer, at: number): number {
    const middle = formatUint64(into, at, this.msHigh, this.msLow)
    into[middle] = 0x2d
    return formatUint64(into, middle + 1, this.seqHigh, this.seqLow)
  }

  toString(): string {
    const text = Buffer.alloc(41)
    return text.toString('latin1', 0, this.format(text, 0))
  }
}

function formatUint64(into: Buffer, at: number, high: number, low: number): number {
  if (high < highOfSafe) return formatInteger(into, at, high * two32 + low)
  return at + into.write(((BigInt(high) << 32n) | BigInt(low)).toString(), at, 'latin1')
}

/** What an id without a sequence number stands for. */
export type MissingSequence = 'first' | 'last'

const minus = 0x2d
const plus = 0x2b
const zero = 0x30
/** Redis copies the text into a buffer of 128 bytes. */
const textBytesMax = 127
const fastDigitsMax = 15

/** `ms-*`: the sequence number is for the stream to give. */
let sequenceIsOpen = false

/**
 * Reads an id, `-` and `+` too unless `strict`, by Redis's rules. With `opens` the sequence number may be `*`: then `opensSequence` tells.
 * False for what is none.
 */
export function parseStreamId(
  bytes: Buffer,
  start: number,
  end: number,
  missing: MissingSequence,
  into: StreamId,
  strict = false,
  opens = false,
): boolean {
  sequenceIsOpen = false
  if (end - start > textBytesMax) return false
  if (end - start === 1 && (bytes[start] === minus || bytes[start] === plus)) {
    if (strict) return false
    if (bytes[start] === minus) into.setMin()
    else into.setMax()
    return true
  }
  let stop = start
  while (stop < end && bytes[stop] !== 0) stop++
  let dash = start
  while (dash < stop && bytes[dash] !== minus) dash++
  if (!parseUint64(bytes, start, dash, into)) return false
  if (dash === stop) {
    if (missing === 'first') into.seqHigh = into.seqLow = 0
    else into.seqHigh = into.seqLow = two32 - 1
    return true
  }
  const { msHigh, msLow } = into
  if (opens && stop - dash === 2 && bytes[dash + 1] === 0x2a) {
    sequenceIsOpen = true
    into.seqHigh = into.seqLow = 0
    return true
  }
  if (!parseUint64(bytes, dash + 1, stop, into)) return false
  into.set(msHigh, msLow, into.msHigh, into.msLow)
  return true
}

/** Whether the id that was parsed last left its sequence number open. */
export function opensSequence(): boolean {
  return sequenceIsOpen
}

/** Sets the first two words to an unsigned integer, read as strtoull does. */
function parseUint64(bytes: Buffer, start: number, end: number, into: StreamId): boolean {
  if (end - start > 0 && end - start <= fastDigitsMax) {
    let value = 0
    let at = start
    for (; at < end; at++) {
      const digit = bytes[at] - zero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    if (at === end) {
      into.msHigh = Math.floor(value / two32)
      into.msLow = value >>> 0
      return true
    }
  }
  const text = bytes.toString('latin1', start, end)
  if (!/^[ \t\n\v\f\r]*[+-]?[0-9]+$/.test(text)) return false
  // A negative integer in its usual form is refused; in any other one strtoull wraps around.
  if (/^-[1-9][0-9]{0,18}$/.test(text)) return false
  const magnitude = BigInt(text.replace(/[^0-9]/g, ''))
  if (magnitude > uint64Max) return false
  const value = text.includes('-') ? BigInt.asUintN(64, -magnitude) : magnitude
  into.msHigh = Number(value >> 32n)
  into.msLow = Number(value & 0xffffffffn)
  return true
}
