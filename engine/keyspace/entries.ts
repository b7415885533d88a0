/**
 * The record of a key: everything the server knows without touching the value. It stays in memory while the value is
 * cold, so that EXISTS, TYPE, TTL, STRLEN, HLEN, DEL and SCAN cost no I/O.
 *
 * 32-bit words:
 *   0  key length (16 bits; 0 and the long-key bit: the length is a word before the key), type, encoding, ttl, long key, resident
 *   1  length: a string's bytes, a collection's elements
 *   2  LSN of the last mutation, lower 32 bits
 *   3  LSN, upper 16 bits; database; flags
 *   4  resident: ref of the value, of a tree its root block · cold: value id, lower 32 bits
 *   5  resident: access clock (as Redis's 24-bit LRU or LFU field) · cold: value id, upper 16 bits; stamp of when it became so
 *   6–8 only with a ttl, of the key or of fields: the key's expiry in ms (lower, upper; 0 for never), position in the database's list of what expires
 * then the key's bytes.
 */
import type { Arena } from '../memory/arena.ts'
import { entryKind } from '../memory/arena.ts'
import { byteCopyBytesMax, copyBytes } from '../memory/word-copy.ts'
import type { AccessClock } from './access.ts'

/** 0 is no type. The numbers are stored. */
export type TypeNumber = 0 | 1 | 2 | 3 | 4 | 5 | 6
export const stringType: TypeNumber = 1
export const hashType: TypeNumber = 2
export const listType: TypeNumber = 3
export const setType: TypeNumber = 4
export const sortedSetType: TypeNumber = 5
export const streamType: TypeNumber = 6

/** How a string is laid out. `rawString` was changed in place, in `textString` no integer was looked for: OBJECT ENCODING says so, as Redis does. */
export const plainString = 0
export const rawString = 1
export const textString = 4

/**
 * How a collection is laid out: as one blob of packed elements while it is small (`packedForm`, a set of integers `integersForm`) or a
 * little too large for that (`leafForm`: Redis would have changed the encoding), then as a tree, whose leaves become cold one by one.
 */
export const packedForm = 2
export const treeForm = 3
export const leafForm = 5
export const integersForm = 6

export const ttlBit = 1 << 24
const longKeyBit = 1 << 25
export const residentBit = 1 << 26
/** In word 3. */
export const liveFlag = 1 << 20
/** The catalog does not know the entry as it is. */
export const dirtyFlag = 1 << 21
/** The catalog knows some state of this key: its deletion must be told. */
export const catalogedFlag = 1 << 22
/** The resident value has no identical copy in the cold store. */
export const valueDirtyFlag = 1 << 23
/** Of a dirty entry: in which of two alternating epochs it became so. See `Keyspace.dirtyEpoch`. */
export const epochFlag = 1 << 24
/** Restored from a catalog row that shows the key in the middle of the record of its LSN, just before that record moves the value away. */
export const beforeMoveFlag = 1 << 25
/** A string that would not share Redis's object of a small integer: COPY made it, or `maxmemory-policy` forbade sharing. Not in the catalog. */
export const ownIntegerFlag = 1 << 26
/** Of a hash: fields of it may expire. The database's list of what expires knows when. */
export const fieldsExpireFlag = 1 << 28
/** Of an entry of a copy that nobody changes: a walk over all of them has met it. */
export const metFlag = 1 << 29

/** The fifth bit of the database's number stands in bit 27 of word 3. */
const ownDatabaseShift = 23

const longKeyMin = 0xffff
const two32 = 2 ** 32

export class Entries {
  readonly arena: Arena
  /** Makes an entry's value resident that is needed and cold, although nobody asked for it beforehand: set by the tier, as `LeafSlots.onFault`. */
  onFault: (ref: number) => void = () => {
    throw new Error('entries: a value that is needed is cold')
  }

  constructor(arena: Arena) {
    this.arena = arena
  }

  /** A new entry without a value. */
  create(db: number, type: TypeNumber, key: Uint8Array, start: number, end: number, withTtl: boolean): number {
    const length = end - start
    const long = length >= longKeyMin
    const ref = this.arena.allocate((withTtl ? 36 : 24) + (long ? 4 : 0) + length, entryKind)
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w] = (long ? longKeyBit : length) | (type << 16) | (withTtl ? ttlBit : 0)
    words[w + 1] = 0
    words[w + 2] = 0
    words[w + 3] = ((db & 15) << 16) | ((db & 16) << ownDatabaseShift) | liveFlag
    words[w + 4] = 0
    words[w + 5] = 0
    if (withTtl) {
      words[w + 6] = 0
      words[w + 7] = 0
      words[w + 8] = 0
    }
    if (long) words[w + (withTtl ? 9 : 6)] = length
    const bytes = this.arena.bytes(ref)
    const at = this.keyStart(ref)
    if (length <= byteCopyBytesMax) copyBytes(key, start, end, bytes, at)
    else bytes.set(key.subarray(start, end), at)
    return ref
  }

  /** A copy in another slot, with room for a ttl if told; the caller makes everybody point to it and releases the old one. */
  copy(ref: number, withTtl: boolean): number {
    const keyStart = this.keyStart(ref)
    const copy = this.create(this.db(ref), this.type(ref), this.arena.bytes(ref), keyStart, keyStart + this.keyLength(ref), withTtl)
    const from = this.arena.words(ref)
    const f = this.arena.wordAt(ref)
    const to = this.arena.words(copy)
    const t = this.arena.wordAt(copy)
    const hadTtl = (from[f] & ttlBit) !== 0
    to[t] = withTtl ? from[f] | ttlBit : from[f]
    for (let i = 1; i < (hadTtl ? 9 : 6); i++) to[t + i] = from[f + i]
    return copy
  }

  release(ref: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] = 0
    this.arena.release(ref)
  }

  /** Whether a remembered ref is still some key's entry. */
  isLive(ref: number): boolean {
    return this.arena.isSlot(ref, entryKind) && (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & liveFlag) !== 0
  }

  keyLength(ref: number): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    const first = words[w]
    return (first & longKeyBit) === 0 ? first & 0xffff : words[w + ((first & ttlBit) === 0 ? 6 : 9)]
  }

  /** Where in `arena.bytes(ref)` the key begins. */
  keyStart(ref: number): number {
    const first = this.arena.words(ref)[this.arena.wordAt(ref)]
    return this.arena.at(ref) + ((first & ttlBit) === 0 ? 24 : 36) + ((first & longKeyBit) === 0 ? 0 : 4)
  }

  hasKey(ref: number, key: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    const first = words[w]
    if ((first & longKeyBit) === 0 ? (first & 0xffff) !== length : words[w + ((first & ttlBit) === 0 ? 6 : 9)] !== length) return false
    const bytes = this.arena.bytes(ref)
    let at = this.keyStart(ref)
    if (length > 64) return bytes.compare(key, start, end, at, at + length) === 0
    for (let i = start; i < end; i++) if (bytes[at++] !== key[i]) return false
    return true
  }

  type(ref: number): TypeNumber {
    return ((this.arena.words(ref)[this.arena.wordAt(ref)] >>> 16) & 15) as TypeNumber
  }

  encoding(ref: number): number {
    return (this.arena.words(ref)[this.arena.wordAt(ref)] >>> 20) & 15
  }

  setTypeAndEncoding(ref: number, type: TypeNumber, encoding: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w] = (words[w] & 0xff00ffff) | (type << 16) | (encoding << 20)
  }

  length(ref: number): number {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 1]
  }

  setLength(ref: number, length: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 1] = length
  }

  lsn(ref: number): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    return words[w + 2] + (words[w + 3] & 0xffff) * two32
  }

  setLsn(ref: number, lsn: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    // Stored modulo 2^32.
    words[w + 2] = lsn
    words[w + 3] = (words[w + 3] & 0xffff0000) | (lsn / two32)
  }

  /** The physical database. */
  db(ref: number): number {
    const word = this.arena.words(ref)[this.arena.wordAt(ref) + 3]
    return ((word >>> 16) & 15) | ((word >>> ownDatabaseShift) & 16)
  }

  flag(ref: number, flag: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref) + 3] & flag) !== 0
  }

  setFlag(ref: number, flag: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] |= flag
  }

  /** Sets some flags and clears others. */
  changeFlags(ref: number, set: number, cleared: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref) + 3
    words[w] = (words[w] & ~cleared) | set
  }

  clearFlag(ref: number, flag: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 3] &= ~flag
  }

  /** Notes that the catalog does not know the entry as it is; `epoch` is `epochFlag` or 0. */
  setDirty(ref: number, epoch: number): void {
    const words = this.arena.words(ref)
    const at = this.arena.wordAt(ref) + 3
    words[at] = (words[at] & ~epochFlag) | dirtyFlag | epoch
  }

  isResident(ref: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref)] & residentBit) !== 0
  }

  /** Ref of a resident value, or of a tree's root block. A cold one is a fault: nobody may take a value id for a ref. */
  value(ref: number): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    if ((words[w] & residentBit) === 0) this.onFault(ref)
    return words[w + 4]
  }

  isTree(ref: number): boolean {
    return this.encoding(ref) === treeForm
  }

  setResident(ref: number, value: number, access: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w] |= residentBit
    words[w + 4] = value
    words[w + 5] = access
  }

  /** `stamp` has 16 bits, and its meaning elsewhere: see `Keyspace.coldIdleSeconds`. 0 for what was cold from the start. */
  setCold(ref: number, valueId: number, stamp: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w] &= ~residentBit
    // Stored modulo 2^32.
    words[w + 4] = valueId
    words[w + 5] = (((stamp & 0xffff) << 16) | (valueId / two32)) >>> 0
  }

  /** Fills a new entry that has no ttl yet: the value is cold, and has been so from the start. */
  fillCold(ref: number, type: TypeNumber, encoding: number, length: number, lsn: number, valueId: number, flags: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w] = (words[w] & 0xff00ffff) | (type << 16) | (encoding << 20)
    words[w + 1] = length
    words[w + 2] = lsn
    words[w + 3] = (words[w + 3] & 0xffff0000) | (lsn / two32) | flags
    words[w + 4] = valueId
    words[w + 5] = valueId / two32
  }

  /** A cold entry's value id. */
  valueId(ref: number): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    return words[w + 4] + (words[w + 5] & 0xffff) * two32
  }

  coldStamp(ref: number): number {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 5] >>> 16
  }

  access(ref: number): number {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 5]
  }

  setAccess(ref: number, access: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 5] = access
  }

  /** Notes a use of a key whose value is in memory; returns the value if it is one piece, else 0. */
  touch(ref: number, access: AccessClock): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    const first = words[w]
    if ((first & residentBit) === 0) return 0
    words[w + 5] = access.used(words[w + 5])
    return ((first >>> 20) & 15) === treeForm ? 0 : words[w + 4]
  }

  hasTtlRoom(ref: number): boolean {
    return (this.arena.words(ref)[this.arena.wordAt(ref)] & ttlBit) !== 0
  }

  /** Milliseconds since the epoch, or 0 for a key that does not expire. */
  expireAt(ref: number): number {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    return (words[w] & ttlBit) === 0 ? 0 : words[w + 6] + words[w + 7] * two32
  }

  /** Needs room for a ttl. */
  setExpireAt(ref: number, expireAt: number): void {
    const words = this.arena.words(ref)
    const w = this.arena.wordAt(ref)
    words[w + 6] = expireAt % two32
    words[w + 7] = expireAt / two32
  }

  ttlPosition(ref: number): number {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 8]
  }

  setTtlPosition(ref: number, position: number): void {
    this.arena.words(ref)[this.arena.wordAt(ref) + 8] = position
  }

  /** Bytes that the entry takes in the arena. */
  footprint(ref: number): number {
    return this.arena.capacity(ref)
  }
}
