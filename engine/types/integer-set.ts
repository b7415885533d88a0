/**
 * A small set of integers, as Redis's intset: sorted, all with as many bytes as the widest needs. After the header of
 * `memory/packed-bytes.ts`: u8 width (2, 4 or 8), then the integers, little endian and signed. Only the bytes are here; an integer of 8 bytes
 * is compared as two halves, so that nothing allocates.
 */
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'

const headerBytes = packedHeaderBytes + 1
const two32 = 2 ** 32

/** An integer of 64 bits, signed, as two halves. */
export interface Int64 {
  high: number
  low: number
}

const scratch: Int64 = { high: 0, low: 0 }

/** Bytes in which an integer fits. */
export function widthOf({ high, low }: Int64): number {
  if (high === low >> 31) return low >= -0x8000 && low <= 0x7fff ? 2 : 4
  return 8
}

/** Reads a decimal integer that fits 64 bits (`isInt64`). */
export function readInt64(bytes: Uint8Array, start: number, end: number, into: Int64): void {
  const negative = bytes[start] === 0x2d
  let high = 0
  let low = 0
  for (let i = negative ? start + 1 : start; i < end; i++) {
    const sum = low * 10 + bytes[i] - 0x30
    low = sum % two32
    high = high * 10 + Math.floor(sum / two32)
  }
  if (negative) {
    low = low === 0 ? 0 : two32 - low
    high = low === 0 ? -high : -high - 1
  }
  into.low = low | 0
  into.high = high | 0
}

/** Writes an integer in decimal into a buffer of at least 20 bytes; returns the end. */
export function formatInt64({ high, low }: Int64, into: Buffer): number {
  if (high === low >> 31) return into.write(String(low), 0, 'latin1')
  return into.write(String((BigInt(high) << 32n) | BigInt(low >>> 0)), 0, 'latin1')
}

export function integerWidth(bytes: Uint8Array, start: number): number {
  return usedBytes(bytes, start) === packedHeaderBytes ? 2 : bytes[start + packedHeaderBytes]
}

export function integerCount(bytes: Uint8Array, start: number): number {
  const used = usedBytes(bytes, start)
  return used === packedHeaderBytes ? 0 : (used - headerBytes) / integerWidth(bytes, start)
}

/** Bytes that a set of so many integers takes. */
export function integerSetBytes(count: number, width: number): number {
  return headerBytes + count * width
}

export function integerAt(bytes: Buffer, start: number, rank: number, into: Int64): void {
  const width = bytes[start + packedHeaderBytes]
  const at = start + headerBytes + rank * width
  if (width === 2) into.low = bytes.readInt16LE(at)
  else into.low = bytes.readInt32LE(at)
  into.high = width === 8 ? bytes.readInt32LE(at + 4) : into.low >> 31
}

/** The rank of an integer, or the complement of the rank that it would have. */
export function findInteger(bytes: Buffer, start: number, sought: Int64): number {
  let low = 0
  let high = integerCount(bytes, start)
  while (low < high) {
    const middle = (low + high) >>> 1
    integerAt(bytes, start, middle, scratch)
    const order = scratch.high - sought.high || (scratch.low >>> 0) - (sought.low >>> 0)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return ~low
}

/** Position of an integer by its rank. */
export function integerPosition(bytes: Uint8Array, start: number, rank: number): number {
  return start + headerBytes + rank * integerWidth(bytes, start)
}

export function writeInteger(bytes: Buffer, at: number, width: number, { high, low }: Int64): void {
  if (width === 2) bytes.writeInt16LE(low, at)
  else bytes.writeInt32LE(low, at)
  if (width === 8) bytes.writeInt32LE(high, at + 4)
}

/** Gives all integers another width in place; there is room, and the header already says how many bytes are used then. Of `count` integers. */
export function widen(bytes: Buffer, start: number, count: number, from: number, to: number): void {
  const value: Int64 = { high: 0, low: 0 }
  for (let rank = count - 1; rank >= 0; rank--) {
    const at = start + headerBytes + rank * from
    value.low = from === 2 ? bytes.readInt16LE(at) : bytes.readInt32LE(at)
    value.high = value.low >> 31
    writeInteger(bytes, start + headerBytes + rank * to, to, value)
  }
  bytes[start + packedHeaderBytes] = to
}
