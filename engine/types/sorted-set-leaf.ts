/**
 * The elements of sorted sets, in two orders, each behind the header of `memory/packed-bytes.ts`.
 *
 * In order of score, then of member (a small set's blob, and half of the leaves of a large one):
 *
 *   f64 score (little endian) · varint length · member
 *
 * In order of the member's keyed hash, those with one hash in order of insertion (the other half of the leaves):
 *
 *   u32 hash of the member (little endian) · varint length · member · f64 score
 *
 * The layout, and the hash (`hash-leaf.ts`), may not change: they are the same in the cold store. −0 keeps its sign, and is as great as 0.
 */
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
import { hashAt } from './hash-leaf.ts'

export const scoreBytes = 8
const hashBytes = 4

const float = new Float64Array(1)
const halves = new Uint32Array(float.buffer)

/** Called for an element: its member is `bytes[start, end)`, which may be read until the visit ends. Must not change what is visited. */
export type VisitScored = (bytes: Buffer, start: number, end: number, score: number) => void

/** Elements that the last `findPlace`, `skipScores` or `skipWhile` went past. */
export const passed = { count: 0 }

export function readScore(bytes: Uint8Array, at: number): number {
  halves[0] = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
  halves[1] = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)
  return float[0]
}

export function writeScore(bytes: Uint8Array, at: number, score: number): void {
  float[0] = score
  for (let half = 0; half < 2; half++) {
    const word = halves[half]
    const to = at + half * 4
    bytes[to] = word
    bytes[to + 1] = word >>> 8
    bytes[to + 2] = word >>> 16
    bytes[to + 3] = word >>> 24
  }
}

/** The two words of a score, the lower half first, as `readScore` would read them. */
export function scoreWords(score: number): Uint32Array {
  float[0] = score
  return halves
}

export function scoreOf(low: number, high: number): number {
  halves[0] = low
  halves[1] = high
  return float[0]
}

/** Bytes that an element takes in order of score. */
export function placeBytes(length: number): number {
  return scoreBytes + varintBytes(length) + length
}

export function placeSizeAt(bytes: Uint8Array, at: number): number {
  const length = readVarint(bytes, at + scoreBytes)
  return scoreBytes + varintBytes(length) + length
}

/** Where the member of an element in order of score begins; it ends where the next element begins. */
export function placeMemberAt(bytes: Uint8Array, at: number): number {
  return at + scoreBytes + varintBytes(readVarint(bytes, at + scoreBytes))
}

/** Negative, 0 or positive, as `bytes[at, at + length)` lies before, at or behind `member[start, end)` in bytewise order. */
export function compareMembers(bytes: Buffer, at: number, length: number, member: Uint8Array, start: number, end: number): number {
  const common = Math.min(length, end - start)
  if (common > 64) return bytes.compare(member, start, end, at, at + length)
  for (let i = 0; i < common; i++) {
    const difference = bytes[at + i] - member[start + i]
    if (difference !== 0) return difference
  }
  return length - (end - start)
}

/**
 * The upper half of the score at a position as a signed integer, in the order of scores; −0 is as great as 0. Comparing halves spares the way
 * through a double for each element that is passed over.
 */
function highAt(bytes: Uint8Array, at: number): number {
  const high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)
  const ordered = high ^ ((high >> 31) >>> 1)
  return ordered === -1 && (bytes[at] | bytes[at + 1] | bytes[at + 2] | bytes[at + 3]) === 0 ? 0 : ordered
}

/** The lower half, unsigned, in the order of those whose upper half is `high`. */
function lowAt(bytes: Uint8Array, at: number, high: number): number {
  const low = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
  return (high < 0 ? ~low : low) >>> 0
}

/** The halves of the score that is sought, as `highAt` and `lowAt` show those of others. */
const sought = { high: 0, low: 0 }

function seek(score: number): void {
  float[0] = score === 0 ? 0 : score
  const high = halves[1] | 0
  sought.high = high ^ ((high >> 31) >>> 1)
  sought.low = (high < 0 ? ~halves[0] : halves[0]) >>> 0
}

/**
 * Position, in a blob in order of score, of the element with this score and member, or the complement (`~`) of the position at which it would be inserted.
 * `passed` then counts the elements before.
 */
export function findPlace(bytes: Buffer, start: number, score: number, member: Uint8Array, memberStart: number, memberEnd: number): number {
  const end = start + usedBytes(bytes, start)
  seek(score)
  const { high, low } = sought
  let count = 0
  let at = start + packedHeaderBytes
  while (at < end) {
    const foundHigh = highAt(bytes, at)
    if (foundHigh > high) break
    let body = at + scoreBytes
    let length = bytes[body++]
    if (length >= 0x80) {
      length = readLongVarint(bytes, body - 1)
      body += varintBytes(length) - 1
    }
    if (foundHigh === high) {
      const foundLow = lowAt(bytes, at, high)
      if (foundLow > low) break
      if (foundLow === low) {
        const order = compareMembers(bytes, body, length, member, memberStart, memberEnd)
        if (order >= 0) {
          passed.count = count
          return order === 0 ? at : ~at
        }
      }
    }
    at = body + length
    count++
  }
  passed.count = count
  return ~at
}

/** Position of the first element in order of score whose score is not below `score`, or with `passesEqual` above it. */
export function skipScores(bytes: Buffer, start: number, score: number, passesEqual: boolean): number {
  const end = start + usedBytes(bytes, start)
  seek(score)
  const { high, low } = sought
  let count = 0
  let at = start + packedHeaderBytes
  for (; at < end; at += placeSizeAt(bytes, at)) {
    const foundHigh = highAt(bytes, at)
    if (foundHigh > high) break
    if (foundHigh === high) {
      const foundLow = lowAt(bytes, at, high)
      if (foundLow > low || (foundLow === low && !passesEqual)) break
    }
    count++
  }
  passed.count = count
  return at
}

/** Position of the first element in order of score for which `isBefore` is false. */
export function skipWhile(bytes: Buffer, start: number, isBefore: (bytes: Buffer, at: number) => boolean): number {
  const end = start + usedBytes(bytes, start)
  let count = 0
  let at = start + packedHeaderBytes
  for (; at < end && isBefore(bytes, at); at += placeSizeAt(bytes, at)) count++
  passed.count = count
  return at
}

/** Position of a member in a blob in order of score, −1 when it is not there. */
export function findInPlaces(bytes: Buffer, start: number, member: Uint8Array, memberStart: number, memberEnd: number): number {
  const end = start + usedBytes(bytes, start)
  const sought = memberEnd - memberStart
  let count = 0
  for (let at = start + packedHeaderBytes; at < end; count++) {
    let body = at + scoreBytes
    let length = bytes[body++]
    if (length >= 0x80) {
      length = readLongVarint(bytes, body - 1)
      body += varintBytes(length) - 1
    }
    if (length === sought && sameBytes(bytes, body, member, memberStart, sought)) {
      passed.count = count
      return at
    }
    at = body + length
  }
  return -1
}

/** Writes an element in order of score at a position where there is room. */
export function writePlace(bytes: Buffer, at: number, score: number, member: Uint8Array, memberStart: number, memberEnd: number): void {
  writeScore(bytes, at, score)
  const to = writeVarint(bytes, at + scoreBytes, memberEnd - memberStart)
  putBytes(bytes, to, member, memberStart, memberEnd)
}

/**
 * Gives the element at `from`, `size` bytes, another score and the place before the element that is now at `to`, within one blob that is free to be
 * changed.
 */
export function movePlace(
  bytes: Buffer,
  from: number,
  size: number,
  to: number,
  score: number,
  member: Uint8Array,
  memberStart: number,
  memberEnd: number,
): void {
  let at = to
  if (to > from) {
    bytes.copyWithin(from, from + size, to)
    at = to - size
  } else if (to < from) bytes.copyWithin(to + size, to, from)
  writePlace(bytes, at, score, member, memberStart, memberEnd)
}

/** Visits all elements of a blob in order of score. */
export function visitPlaces(bytes: Buffer, start: number, visit: VisitScored): void {
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; ) {
    const next = at + placeSizeAt(bytes, at)
    visit(bytes, placeMemberAt(bytes, at), next, readScore(bytes, at))
    at = next
  }
}

/** Bytes that an element takes in order of hash. */
export function hashedBytes(length: number): number {
  return hashBytes + varintBytes(length) + length + scoreBytes
}

export function hashedSizeAt(bytes: Uint8Array, at: number): number {
  const length = readVarint(bytes, at + hashBytes)
  return hashBytes + varintBytes(length) + length + scoreBytes
}

/** Where the member of an element in order of hash begins. */
export function hashedMemberAt(bytes: Uint8Array, at: number): number {
  return at + hashBytes + varintBytes(readVarint(bytes, at + hashBytes))
}

/** Position of a member in a leaf in order of hash, or the complement (`~`) of the position at which it would be inserted. */
export function findHashed(bytes: Buffer, start: number, hash: number, member: Uint8Array, memberStart: number, memberEnd: number): number {
  const end = start + usedBytes(bytes, start)
  const sought = memberEnd - memberStart
  let at = start + packedHeaderBytes
  while (at < end) {
    const found = hashAt(bytes, at)
    if (found > hash) break
    let body = at + hashBytes
    let length = bytes[body++]
    if (length >= 0x80) {
      length = readLongVarint(bytes, body - 1)
      body += varintBytes(length) - 1
    }
    if (found === hash && length === sought && sameBytes(bytes, body, member, memberStart, sought)) return at
    at = body + length + scoreBytes
  }
  return ~at
}

/** Writes an element in order of hash at a position where there is room. */
export function writeHashed(
  bytes: Buffer,
  at: number,
  hash: number,
  member: Uint8Array,
  memberStart: number,
  memberEnd: number,
  score: number,
): void {
  bytes[at] = hash
  bytes[at + 1] = hash >>> 8
  bytes[at + 2] = hash >>> 16
  bytes[at + 3] = hash >>> 24
  const to = writeVarint(bytes, at + hashBytes, memberEnd - memberStart)
  writeScore(bytes, putBytes(bytes, to, member, memberStart, memberEnd), score)
}

/** Visits all elements of a leaf in order of hash. */
export function visitHashed(bytes: Buffer, start: number, visit: VisitScored): void {
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; ) {
    const next = at + hashedSizeAt(bytes, at)
    const memberEnd = next - scoreBytes
    visit(bytes, hashedMemberAt(bytes, at), memberEnd, readScore(bytes, memberEnd))
    at = next
  }
}

/** Positions of a blob's elements, for walks backwards. Overwritten by the next one. */
let positions = new Int32Array(256)

/** Visits up to `count` elements of a blob in order of score, the last one before position `end` first. Returns how many. */
export function visitBackwards(bytes: Buffer, start: number, end: number, count: number, visit: VisitScored): number {
  let found = 0
  for (let at = start + packedHeaderBytes; at < end; at += placeSizeAt(bytes, at)) {
    if (found === positions.length) {
      const more = new Int32Array(found * 2)
      more.set(positions)
      positions = more
    }
    positions[found++] = at
  }
  const visited = Math.min(count, found)
  for (let i = 0, next = end; i < visited; i++) {
    const at = positions[found - 1 - i]
    visit(bytes, placeMemberAt(bytes, at), next, readScore(bytes, at))
    next = at
  }
  return visited
}
