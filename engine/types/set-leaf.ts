/**
 * The members of a set in a blob or a leaf, in the order of their hashes, those with one hash in order of insertion. After the header of
 * `memory/packed-bytes.ts`, per member:
 *
 *   u32 hash of the member (little endian) · varint length · member
 *
 * The layout, and the hash (`hash-leaf.ts`), may not change: they are the same in the cold store. A blob that is no leaf is ordered with seed 0.
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

const hashBytes = 4

/** Called for a member, `bytes[start, end)`, which may be read until the visit ends. Must not change what is visited. */
export type VisitMember = (bytes: Buffer, start: number, end: number) => void

/** Bytes that a member takes. */
export function memberBytes(length: number): number {
  return hashBytes + varintBytes(length) + length
}

/** Position of a member, or the complement (`~`) of the position at which it would be inserted. */
export function findMember(bytes: Buffer, start: number, hash: number, member: Uint8Array, memberStart: number, memberEnd: number): number {
  const end = start + usedBytes(bytes, start)
  const length = memberEnd - memberStart
  let at = start + packedHeaderBytes
  while (at < end) {
    const found = hashAt(bytes, at)
    if (found > hash) break
    let body = at + hashBytes
    let memberLength = bytes[body++]
    if (memberLength >= 0x80) {
      memberLength = readLongVarint(bytes, body - 1)
      body += varintBytes(memberLength) - 1
    }
    if (found === hash && memberLength === length && sameBytes(bytes, body, member, memberStart, length)) return at
    at = body + memberLength
  }
  return ~at
}

/** Bytes that the member at a position takes. */
export function memberSizeAt(bytes: Uint8Array, at: number): number {
  const length = readVarint(bytes, at + hashBytes)
  return hashBytes + varintBytes(length) + length
}

/** Where the bytes of the member at a position begin; they end where the next member begins. */
export function memberStartAt(bytes: Uint8Array, at: number): number {
  return at + hashBytes + varintBytes(readVarint(bytes, at + hashBytes))
}

/** Writes a member at a position where there is room. */
export function writeMember(bytes: Buffer, at: number, hash: number, member: Uint8Array, memberStart: number, memberEnd: number): void {
  bytes[at] = hash
  bytes[at + 1] = hash >>> 8
  bytes[at + 2] = hash >>> 16
  bytes[at + 3] = hash >>> 24
  const to = writeVarint(bytes, at + hashBytes, memberEnd - memberStart)
  putBytes(bytes, to, member, memberStart, memberEnd)
}

/** Visits all members of a blob in order. */
export function visitMembers(bytes: Buffer, start: number, visit: VisitMember): void {
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; ) {
    const next = at + memberSizeAt(bytes, at)
    visit(bytes, memberStartAt(bytes, at), next)
    at = next
  }
}
