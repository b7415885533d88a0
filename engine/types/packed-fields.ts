/**
 * The compact byte layout of field/value pairs: a small hash is one such blob, a large hash is cut into many.
 *
 *   u32 bytes used, these 8 included · u32 first hash of the chunk's range, 0 in a small hash (both little endian)
 *   then per field, in order of insertion: u8 fingerprint · varint field length · varint value length · field · value
 *
 * A varint is LEB128 (7 bits a byte, low bits first). The blob is the same in memory and in the cold store: the layout,
 * `fieldFingerprint` and the byte order may not change. Everything is a range of a buffer that the caller names by
 * `bytes, start`; nothing is allocated here, and nobody checks that an appended pair fits: the caller made room.
 */

export const packedHeaderBytes = 8

/** Where the parts of one pair lie in the buffer. Made once and reused. */
export class PackedCursor {
  fieldStart = 0
  fieldEnd = 0
  valueStart = 0
  valueEnd = 0
  /** Where the next pair begins, or the end of the blob. */
  next = 0
}

/** Called for a pair, which may be read until the visit ends. Must not change what is visited. */
export type VisitPair = (bytes: Buffer, pair: PackedCursor) => void

const scratch = new PackedCursor()

/** A blob without fields. Needs room for `packedHeaderBytes`. */
export function writeEmpty(bytes: Buffer, start: number, firstHash: number): void {
  writeUint32(bytes, start, packedHeaderBytes)
  writeUint32(bytes, start + 4, firstHash)
}

/** Bytes of the blob, header included. */
export function usedBytes(bytes: Uint8Array, start: number): number {
  return readUint32(bytes, start)
}

export function firstHash(bytes: Uint8Array, start: number): number {
  return readUint32(bytes, start + 4)
}

/** Eight bits that tell most fields of a small hash apart; chunks of a large hash use bits of the field's hash instead. */
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
  const end = start + readUint32(bytes, start)
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
    }
    if (bytes[at] === fingerprint && fieldLength === length && sameBytes(bytes, body, field, fieldStart, length)) return at
    at = body + fieldLength + valueLength
  }
  return -1
}

/** Reads the pair at an offset. Iterate from `start + packedHeaderBytes` along `next` up to `start + usedBytes`. */
export function readPair(bytes: Uint8Array, at: number, out: PackedCursor): void {
  const fieldLength = readVarint(bytes, at + 1)
  const valueAt = at + 1 + varintBytes(fieldLength)
  const valueLength = readVarint(bytes, valueAt)
  out.fieldStart = valueAt + varintBytes(valueLength)
  out.fieldEnd = out.fieldStart + fieldLength
  out.valueStart = out.fieldEnd
  out.valueEnd = out.valueStart + valueLength
  out.next = out.valueEnd
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
export function pairBytes(fieldLength: number, valueLength: number): number {
  return 1 + varintBytes(fieldLength) + varintBytes(valueLength) + fieldLength + valueLength
}

/** What `usedBytes` will be once the value of the pair at `at` (-1: of a new field) has been set. */
export function setBytesNeeded(bytes: Uint8Array, start: number, at: number, fieldLength: number, valueLength: number): number {
  const used = usedBytes(bytes, start)
  if (at < 0) return used + pairBytes(fieldLength, valueLength)
  readPair(bytes, at, scratch)
  return used - (scratch.next - at) + pairBytes(fieldLength, valueLength)
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
): void {
  const used = usedBytes(bytes, start)
  let at = start + used
  bytes[at] = fingerprint
  at = writeVarint(bytes, at + 1, fieldEnd - fieldStart)
  at = writeVarint(bytes, at, valueEnd - valueStart)
  at = putBytes(bytes, at, field, fieldStart, fieldEnd)
  at = putBytes(bytes, at, value, valueStart, valueEnd)
  writeUint32(bytes, start, at - start)
}

/** Replaces the value of the pair at an offset, which keeps its place among the others. */
export function replaceValue(bytes: Buffer, start: number, at: number, value: Uint8Array, valueStart: number, valueEnd: number): void {
  readPair(bytes, at, scratch)
  const { fieldStart, fieldEnd, next } = scratch
  const fieldLength = fieldEnd - fieldStart
  const lengthAt = at + 1 + varintBytes(fieldLength)
  const toFieldStart = lengthAt + varintBytes(valueEnd - valueStart)
  const toNext = toFieldStart + fieldLength + valueEnd - valueStart
  const end = start + usedBytes(bytes, start)
  // Whoever moves to the left goes first, whoever moves to the right last: neither overwrites the other.
  if (toFieldStart < fieldStart) bytes.copyWithin(toFieldStart, fieldStart, fieldEnd)
  if (toNext !== next) {
    bytes.copyWithin(toNext, next, end)
    writeUint32(bytes, start, end - start + toNext - next)
  }
  if (toFieldStart > fieldStart) bytes.copyWithin(toFieldStart, fieldStart, fieldEnd)
  writeVarint(bytes, lengthAt, valueEnd - valueStart)
  putBytes(bytes, toFieldStart + fieldLength, value, valueStart, valueEnd)
}

/** Takes the pair at an offset out; the pairs behind it move up. */
export function removeField(bytes: Buffer, start: number, at: number): void {
  readPair(bytes, at, scratch)
  const end = start + usedBytes(bytes, start)
  bytes.copyWithin(at, scratch.next, end)
  writeUint32(bytes, start, end - start - (scratch.next - at))
}

/** Notes how many bytes are used, for those who moved whole pairs themselves. */
export function setUsedBytes(bytes: Uint8Array, start: number, used: number): void {
  writeUint32(bytes, start, used)
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

export function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  return value < 0x10000000 ? 4 : 5
}

export function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at]
  return first < 0x80 ? first : readLongVarint(bytes, at)
}

export function readLongVarint(bytes: Uint8Array, at: number): number {
  let value = 0
  let shift = 0
  let byte = 0
  do {
    byte = bytes[at++]
    value |= (byte & 0x7f) << shift
    shift += 7
  } while (byte >= 0x80)
  return value >>> 0
}

/** Returns the offset behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    bytes[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

/** Short ranges are copied by hand: a call into native code costs more. Returns the offset behind. */
export function putBytes(bytes: Buffer, at: number, from: Uint8Array, start: number, end: number): number {
  if (end - start <= 32) for (let i = start; i < end; i++) bytes[at++] = from[i]
  else {
    bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), at)
    at += end - start
  }
  return at
}

export function sameBytes(bytes: Buffer, at: number, field: Uint8Array, start: number, length: number): boolean {
  if (length > 64) return bytes.compare(field, start, start + length, at, at + length) === 0
  for (let i = 0; i < length; i++) if (bytes[at + i] !== field[start + i]) return false
  return true
}
