/**
 * What the packed blobs of all collections have in common. Such a blob is one value: a small collection, or a leaf of a large one.
 *
 *   u32 bytes used, these 4 included (little endian) · elements, one behind the other, as the type lays them out
 *
 * A varint is LEB128 (7 bits a byte, low bits first). A blob is the same in memory and in the cold store: the layout and the byte
 * order may not change. Everything is a range of a buffer that the caller names by `bytes, start`; nothing is allocated here,
 * and nobody checks that what is added fits: the caller made room.
 */
import { byteCopyBytesMax, copyBytes } from './word-copy.ts'

export const packedHeaderBytes = 4

/** A blob without elements. Needs room for `packedHeaderBytes`. */
export function writeEmpty(bytes: Uint8Array, start: number): void {
  setUsedBytes(bytes, start, packedHeaderBytes)
}

/** Bytes of the blob, header included. */
export function usedBytes(bytes: Uint8Array, start: number): number {
  return (bytes[start] | (bytes[start + 1] << 8) | (bytes[start + 2] << 16) | (bytes[start + 3] << 24)) >>> 0
}

export function setUsedBytes(bytes: Uint8Array, start: number, used: number): void {
  bytes[start] = used
  bytes[start + 1] = used >>> 8
  bytes[start + 2] = used >>> 16
  bytes[start + 3] = used >>> 24
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
  if (end - start <= byteCopyBytesMax) return copyBytes(from, start, end, bytes, at)
  bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), at)
  return at + end - start
}

export function sameBytes(bytes: Buffer, at: number, field: Uint8Array, start: number, length: number): boolean {
  if (length > 64) return bytes.compare(field, start, start + length, at, at + length) === 0
  for (let i = 0; i < length; i++) if (bytes[at + i] !== field[start + i]) return false
  return true
}
