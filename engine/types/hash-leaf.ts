/**
 * The elements of a large hash's leaf: fields and values in the order of the fields' hashes, those with one hash in order of
 * insertion. After the header of `memory/packed-bytes.ts`, per element:
 *
 *   u32 hash of the field (little endian) · varint field length · varint value length · field · value · expiry
 *
 * The expiry is as in `packed-fields.ts`: there only if the value length says so.
 *
 * The layout, and the hash, may not change: it is the same in the cold store.
 */
import { KeyHash } from '../keyspace/key-hash.ts'
import {
  packedHeaderBytes,
  putBytes,
  readLongVarint,
  readVarint,
  sameBytes,
  usedBytes,
  varintBytes,
  writeVarint,
} from '../memory/packed-bytes.ts'
import type { PackedCursor, VisitPair } from './packed-fields.ts'
import { expiresBit, expiryBytes, markedLength, readPairBehind, valueBytes, writeExpiry } from './packed-fields.ts'

const hashBytes = 4
const fixedKey = [0x5bd1e995, 0x1b873593]
let keysRead = 0
const hasher = new KeyHash({ nextUint32: () => fixedKey[keysRead++] })

/** Behind the largest hash. */
export const hashEnd = 2 ** 32

/** 32 bits of a field's place among the leaves, keyed by the hash's own secret seed. */
export function fieldHash(field: Uint8Array, fieldStart: number, fieldEnd: number, seed: number): number {
  return hasher.of(field, fieldStart, fieldEnd, seed)
}

/** Bytes that an element takes. */
export function elementBytes(fieldLength: number, valueLength: number, expireAt = 0): number {
  return hashBytes + varintBytes(fieldLength) + fieldLength + valueBytes(valueLength, expireAt)
}

/** The hash of the element at an offset. */
export function hashAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** Offset of the element with this field, or the complement (`~`) of the offset at which it would be inserted. */
export function findElement(bytes: Buffer, start: number, hash: number, field: Uint8Array, fieldStart: number, fieldEnd: number): number {
  const end = start + usedBytes(bytes, start)
  const length = fieldEnd - fieldStart
  let at = start + packedHeaderBytes
  while (at < end) {
    const found = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
    if (found > hash) break
    let body = at + hashBytes
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
    if (found === hash && fieldLength === length && sameBytes(bytes, body, field, fieldStart, length)) return at
    at = body + fieldLength + valueLength
  }
  return ~at
}

/** Reads the element at an offset. */
export function readElement(bytes: Uint8Array, at: number, out: PackedCursor): void {
  const fieldLength = readVarint(bytes, at + hashBytes)
  readPairBehind(bytes, at + hashBytes + varintBytes(fieldLength), fieldLength, out)
}

/** Visits all elements of a leaf in order. */
export function visitElements(bytes: Buffer, start: number, pair: PackedCursor, visit: VisitPair): void {
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; ) {
    readElement(bytes, at, pair)
    at = pair.next
    visit(bytes, pair)
  }
}

/** Offset of the first element at or behind `from` whose hash is not below `hash`, or the blob's end. */
export function skipBelow(bytes: Uint8Array, start: number, from: number, hash: number, scratch: PackedCursor): number {
  const end = start + usedBytes(bytes, start)
  let at = from
  while (at < end && hashAt(bytes, at) < hash) {
    readElement(bytes, at, scratch)
    at = scratch.next
  }
  return at
}

/** Writes an element; there is room. Returns the offset behind it. */
export function writeElement(
  bytes: Buffer,
  at: number,
  hash: number,
  field: Uint8Array,
  fieldStart: number,
  fieldEnd: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
  expireAt = 0,
): number {
  bytes[at] = hash
  bytes[at + 1] = hash >>> 8
  bytes[at + 2] = hash >>> 16
  bytes[at + 3] = hash >>> 24
  let to = writeVarint(bytes, at + hashBytes, fieldEnd - fieldStart)
  to = writeVarint(bytes, to, markedLength(valueEnd - valueStart, expireAt))
  to = putBytes(bytes, to, field, fieldStart, fieldEnd)
  return writeExpiry(bytes, putBytes(bytes, to, value, valueStart, valueEnd), expireAt)
}
