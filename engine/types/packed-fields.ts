/**
 * Field/value pairs in a packed blob (`memory/packed-bytes.ts`), as a hash of one piece has them, in order of insertion. Per pair:
 *
 *   u8 fingerprint · varint field length · varint value length · field · value · expiry
 *
 * The expiry, six bytes of milliseconds since the epoch, is there only if bit 31 of the value length says so.
 *
 * `fieldFingerprint` may not change either: it is stored.
 */
import {
  packedHeaderBytes,
  putBytes,
  readLongVarint,
  readVarint,
  sameBytes,
  setUsedBytes,
  usedBytes,
  varintBytes,
  writeVarint,
} from '../memory/packed-bytes.ts'

/** Where the parts of one pair lie in the buffer. Made once and reused. */
export class PackedCursor {
  fieldStart = 0
  fieldEnd = 0
  valueStart = 0
  valueEnd = 0
  /** When the field expires, in milliseconds since the epoch; 0 for never. */
  expireAt = 0
  /** Where the next pair begins, or the end of the blob. */
  next = 0
}

/** Called for a pair, which may be read until the visit ends. Must not change what is visited. */
export type VisitPair = (bytes: Buffer, pair: PackedCursor) => void

/** In a value length: an expiry follows the value. */
export const expiresBit = 2 ** 31
export const expiryBytes = 6
const two32 = 2 ** 32

const scratch = new PackedCursor()

export function readExpiry(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
  return low + (bytes[at + 4] | (bytes[at + 5] << 8)) * two32
}

/** Returns the offset behind it; writes nothing for 0. */
export function writeExpiry(bytes: Uint8Array, at: number, expireAt: number): number {
  if (expireAt === 0) return at
  const low = expireAt % two32
  const high = Math.floor(expireAt / two32)
  for (let i = 0; i < 4; i++) bytes[at + i] = low >>> (8 * i)
  bytes[at + 4] = high
  bytes[at + 5] = high >>> 8
  return at + expiryBytes
}

/** Bytes of a value with the length before it and the expiry behind it. */
export function valueBytes(valueLength: number, expireAt: number): number {
  return expireAt === 0 ? varintBytes(valueLength) + valueLength : varintBytes(expiresBit) + valueLength + expiryBytes
}

/** A value length as it is written. */
export function markedLength(valueLength: number, expireAt: number): number {
  return expireAt === 0 ? valueLength : valueLength + expiresBit
}

/** Eight bits that tell most fields of a small hash apart. */
export function fieldFingerprint(field: Uint8Array, fieldStart: number, fieldEnd: number): number {
  let mixed = fieldEnd - fieldStart
  const headEnd = fieldEnd - fieldStart <= 16 ? fieldEnd : fieldStart + 8
  for (let i = fieldStart; i < headEnd; i++) mixed = Math.imul(mixed ^ field[i], 0x01000193)
  if (headEnd !== fieldEnd) for (let i = fieldEnd - 8; i < fieldEnd; i++) mixed = Math.imul(mixed ^ field[i], 0x01000193)
  return ((mixed >>> 24) ^ (mixed >>> 13) ^ mixed) & 0xff
}

/** Offset of the pair with this field, or -1. */
export function findField(
  bytes: Buffer,
  start: number,
  field: Uint8Array,
  fieldStart: number,
  fieldEnd: number,
  fingerprint: number,
): number {
  const end = start + usedBytes(bytes, start)
  const length = fieldEnd - fieldStart
  let at = start + packedHeaderBytes
  while (at < end) {
    let body = at + 1
    let fieldLength = bytes[body++]
    if (fieldLength >= 0x80) {
      fieldLength = readLongVarint(bytes, body - 1)
      body += varintBytes(fieldLength) - 1
    }
    let valueLength = bytes[body++]
    if (valueLength >= 0x80) {
      valueLength = readLongVarint(bytes, body - 1)
      body += varintBytes(valueLength) - 1
      if (valueLength >= expiresBit) valueLength -= expiresBit - expiryBytes
    }
    if (bytes[at] === fingerprint && fieldLength === length && sameBytes(bytes, body, field, fieldStart, length)) return at
    at = body + fieldLength + valueLength
  }
  return -1
}

/** Reads the pair at an offset. Iterate from `start + packedHeaderBytes` along `next` up to `start + usedBytes`. */
export function readPair(bytes: Uint8Array, at: number, out: PackedCursor): void {
  const fieldLength = readVarint(bytes, at + 1)
  readPairBehind(bytes, at + 1 + varintBytes(fieldLength), fieldLength, out)
}

/** Reads a pair from its value length on, which stands at `at`. */
export function readPairBehind(bytes: Uint8Array, at: number, fieldLength: number, out: PackedCursor): void {
  const length = readVarint(bytes, at)
  out.fieldStart = at + varintBytes(length)
  out.fieldEnd = out.fieldStart + fieldLength
  out.valueStart = out.fieldEnd
  if (length < expiresBit) {
    out.valueEnd = out.valueStart + length
    out.expireAt = 0
    out.next = out.valueEnd
  } else {
    out.valueEnd = out.valueStart + length - expiresBit
    out.expireAt = readExpiry(bytes, out.valueEnd)
    out.next = out.valueEnd + expiryBytes
  }
}

/** Visits all pairs of a blob in order. */
export function visitPairs(bytes: Buffer, start: number, pair: PackedCursor, visit: VisitPair): void {
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; ) {
    readPair(bytes, at, pair)
    at = pair.next
    visit(bytes, pair)
  }
}

/** Reads the pair number `rank` in order of insertion; false when there are not so many. */
export function readPairAtRank(bytes: Uint8Array, start: number, rank: number, out: PackedCursor): boolean {
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; at = out.next) {
    readPair(bytes, at, out)
    if (rank-- === 0) return true
  }
  return false
}

export function countFields(bytes: Uint8Array, start: number): number {
  const end = start + usedBytes(bytes, start)
  let count = 0
  for (let at = start + packedHeaderBytes; at < end; at = scratch.next) {
    readPair(bytes, at, scratch)
    count++
  }
  return count
}

/** Bytes that a pair takes. */
export function pairBytes(fieldLength: number, valueLength: number, expireAt = 0): number {
  return 1 + varintBytes(fieldLength) + fieldLength + valueBytes(valueLength, expireAt)
}

/** What `usedBytes` will be once the value of the pair at `at` (-1: of a new field) has been set. */
export function setBytesNeeded(
  bytes: Uint8Array,
  start: number,
  at: number,
  fieldLength: number,
  valueLength: number,
  expireAt = 0,
): number {
  const used = usedBytes(bytes, start)
  if (at < 0) return used + pairBytes(fieldLength, valueLength, expireAt)
  readPair(bytes, at, scratch)
  return used - (scratch.next - at) + pairBytes(fieldLength, valueLength, expireAt)
}

/** Adds a pair behind the others. The field must not be in the blob. */
export function appendField(
  bytes: Buffer,
  start: number,
  fingerprint: number,
  field: Uint8Array,
  fieldStart: number,
  fieldEnd: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
  expireAt = 0,
): void {
  const used = usedBytes(bytes, start)
  let at = start + used
  bytes[at] = fingerprint
  at = writeVarint(bytes, at + 1, fieldEnd - fieldStart)
  at = writeVarint(bytes, at, markedLength(valueEnd - valueStart, expireAt))
  at = putBytes(bytes, at, field, fieldStart, fieldEnd)
  at = putBytes(bytes, at, value, valueStart, valueEnd)
  at = writeExpiry(bytes, at, expireAt)
  setUsedBytes(bytes, start, at - start)
}

/** Replaces the value and the expiry of the pair at an offset, which keeps its place among the others. */
export function replaceValue(
  bytes: Buffer,
  start: number,
  at: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
  expireAt = 0,
): void {
  readPair(bytes, at, scratch)
  const { fieldStart, fieldEnd, next } = scratch
  const fieldLength = fieldEnd - fieldStart
  const lengthAt = at + 1 + varintBytes(fieldLength)
  const length = markedLength(valueEnd - valueStart, expireAt)
  const toFieldStart = lengthAt + varintBytes(length)
  const toNext = lengthAt + fieldLength + valueBytes(valueEnd - valueStart, expireAt)
  const end = start + usedBytes(bytes, start)
  // Whoever moves to the left goes first, whoever moves to the right last: neither overwrites the other.
  if (toFieldStart < fieldStart) bytes.copyWithin(toFieldStart, fieldStart, fieldEnd)
  if (toNext !== next) {
    bytes.copyWithin(toNext, next, end)
    setUsedBytes(bytes, start, end - start + toNext - next)
  }
  if (toFieldStart > fieldStart) bytes.copyWithin(toFieldStart, fieldStart, fieldEnd)
  writeVarint(bytes, lengthAt, length)
  writeExpiry(bytes, putBytes(bytes, toFieldStart + fieldLength, value, valueStart, valueEnd), expireAt)
}

/** Takes the pair at an offset out; the pairs behind it move up. */
export function removeField(bytes: Buffer, start: number, at: number): void {
  readPair(bytes, at, scratch)
  const end = start + usedBytes(bytes, start)
  bytes.copyWithin(at, scratch.next, end)
  setUsedBytes(bytes, start, end - start - (scratch.next - at))
}
