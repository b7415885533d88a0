/**
 * Large hashes: fields spread by a 32-bit hash over chunks, each a packed blob of its own that can be cold by itself.
 *
 * Chunk i holds the fields with hashes from its first hash up to chunk i+1's. A chunk that grows past `chunkBytesMax` is split
 * near its median hash; small neighbours are merged. All that a field operation touches is one chunk and its row in the
 * directory. Operations on a field need its chunk resident: whoever calls asks `coldChunkFor` and admits what is missing first.
 *
 * During replay a chunk may be ahead of the log. A mutation is to be applied if `chunkLsnFor` is not above its LSN
 * (applying the same record twice is harmless, skipping the rest of a record is not).
 */
import type { Values } from '../keyspace/values.ts'
import type { ChunkDirectory } from './chunk-directory.ts'
import type { ChunkObserver, VisitDirty, VisitRow } from './chunk-table.ts'
import { ChunkTable } from './chunk-table.ts'
import type { VisitPair } from './field-hashes.ts'
import { FieldHashes, fieldHash, hashEnd, visitAll } from './field-hashes.ts'
import { makePieces } from './hash-pieces.ts'
import {
  appendField,
  findField,
  PackedCursor,
  packedHeaderBytes,
  pairBytes,
  readPair,
  readPairAtRank,
  removeField,
  replaceValue,
  setBytesNeeded,
} from './packed-fields.ts'

/** A chunk above this is split: what one write makes a checkpoint write, and one cold read reads. */
export const chunkBytesMax = 4096

/** Scratch of splits, and of visits; a visit may change other hashes. */
const splitHashes = new FieldHashes()
const visitHashes = new FieldHashes()
const visitPair = new PackedCursor()
const foundPair = new PackedCursor()

export class ChunkedHash {
  /** The collection's number in the catalog. */
  readonly id: number
  /** The secret that keys the hash of its fields. */
  readonly seed: number
  readonly #values: Values
  readonly #table: ChunkTable
  readonly #chunkBytesMax: number

  /** `ownerWord` becomes the owner of every chunk's record. */
  constructor(values: Values, ownerWord: number, id: number, seed: number, observer: ChunkObserver, bytesMax: number = chunkBytesMax) {
    this.id = id
    this.seed = seed
    this.#values = values
    this.#table = new ChunkTable(values, ownerWord, observer)
    this.#chunkBytesMax = bytesMax
  }

  /** A large hash with the fields of the packed one, which is left as it is. */
  static fromPacked(packedRef: number, lsn: number, ...rest: ConstructorParameters<typeof ChunkedHash>): ChunkedHash {
    const hash = new ChunkedHash(...rest)
    const values = hash.#values
    const bytes = values.bytes(packedRef)
    visitAll(bytes, values.start(packedRef), new PackedCursor(), (_, pair) => {
      hash.set(bytes, pair.fieldStart, pair.fieldEnd, bytes, pair.valueStart, pair.valueEnd, lsn)
    })
    return hash
  }

  /** The rows of its chunks, to look at. */
  get directory(): ChunkDirectory {
    return this.#table.directory
  }

  /** See `ChunkTable.takeChunks`. The other hash has the same seed. */
  takeChunks(from: ChunkedHash): void {
    this.#table.takeChunks(from.#table)
  }

  /** See `ChunkTable.copyChunks`. The other hash has the same seed. */
  copyChunks(from: ChunkedHash, lsn: number): void {
    this.#table.copyChunks(from.#table, lsn)
  }

  /** All fields as a record carries them: see `hash-pieces.ts`. Every chunk is resident. */
  pieces(bytesMin: number): Buffer[] {
    return makePieces(this.#values, this.#table.directory, bytesMin)
  }

  /** Fields. */
  get length(): number {
    return this.#table.fields
  }

  get chunkCount(): number {
    return this.#table.directory.length
  }

  get coldChunks(): number {
    return this.#table.directory.length - this.#table.residentChunks
  }

  /** Resident chunks that are newer than their copy in the cold store. */
  get dirtyChunks(): number {
    return this.#table.dirtyChunks
  }

  /** The directory and the slots of resident chunks. */
  get memoryBytes(): number {
    return this.#table.directory.memoryBytes + this.#table.residentBytes
  }

  /** Resident chunks' slots alone. */
  get residentBytes(): number {
    return this.#table.residentBytes
  }

  /** Ref of the chunk of a field, 0 when it is cold or there is none. */
  chunkFor(field: Uint8Array, fieldStart: number, fieldEnd: number): number {
    const at = this.#table.directory.locate(fieldHash(field, fieldStart, fieldEnd, this.seed))
    return at < 0 ? 0 : this.#table.directory.ref(at)
  }

  /** Whether operations on the field are possible at once. */
  residentFor(field: Uint8Array, fieldStart: number, fieldEnd: number): boolean {
    return this.coldChunkFor(field, fieldStart, fieldEnd) === 0
  }

  /** Value id of the cold chunk of a field, 0 when it is resident. */
  coldChunkFor(field: Uint8Array, fieldStart: number, fieldEnd: number): number {
    return this.coldChunkAt(fieldHash(field, fieldStart, fieldEnd, this.seed))
  }

  /** Value id of the cold chunk that a hash (or a scan's cursor) falls into, 0 when it is resident. */
  coldChunkAt(hash: number): number {
    const directory = this.#table.directory
    const at = directory.locate(hash)
    return at < 0 || hash >= hashEnd || directory.ref(at) !== 0 ? 0 : directory.valueId(at)
  }

  /** Value id of the first cold chunk that a scan from this cursor on comes upon, 0 when all are resident. */
  nextColdFrom(cursor: number): number {
    let first = 0
    if (this.coldChunks > 0) {
      this.eachCold((_, valueId) => {
        first = valueId
        return false
      }, cursor)
    }
    return first
  }

  /** Visits the cold chunks in order of hash, from the one a cursor falls into, until a visit returns false. */
  eachCold(visit: (firstHash: number, valueId: number) => boolean | undefined, cursor = 0): void {
    const directory = this.#table.directory
    if (cursor >= hashEnd) return
    for (let at = directory.locate(cursor); at >= 0; at = directory.after(at)) {
      if (directory.ref(at) === 0 && visit(directory.firstHash(at), directory.valueId(at)) === false) return
    }
  }

  /** LSN up to which the chunk of a field is complete; 0 when there is no chunk. */
  chunkLsnFor(field: Uint8Array, fieldStart: number, fieldEnd: number): number {
    const at = this.#table.directory.locate(fieldHash(field, fieldStart, fieldEnd, this.seed))
    return at < 0 ? 0 : this.#table.directory.lsn(at)
  }

  /** The buffer in which `out` then says where the value is; undefined without such a field. Counts a use of the chunk. */
  get(field: Uint8Array, fieldStart: number, fieldEnd: number, out: PackedCursor): Buffer | undefined {
    const hash = fieldHash(field, fieldStart, fieldEnd, this.seed)
    const at = this.#table.directory.locate(hash)
    if (at < 0) return undefined
    const ref = this.#used(at)
    const bytes = this.#values.bytes(ref)
    const pair = findField(bytes, this.#values.start(ref), field, fieldStart, fieldEnd, hash & 0xff)
    if (pair < 0) return undefined
    readPair(bytes, pair, out)
    return bytes
  }

  has(field: Uint8Array, fieldStart: number, fieldEnd: number): boolean {
    return this.get(field, fieldStart, fieldEnd, foundPair) !== undefined
  }

  /** Sets a field; true if it is new. Neither range may lie in this hash itself, whose bytes move. */
  set(
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    lsn: number,
  ): boolean {
    const table = this.#table
    const values = this.#values
    const hash = fieldHash(field, fieldStart, fieldEnd, this.seed)
    const size = pairBytes(fieldEnd - fieldStart, valueEnd - valueStart)
    let at = table.directory.locate(hash)
    if (at < 0) at = table.create(-1, 0, packedHeaderBytes + size, lsn)
    let from = this.#used(at)
    if (size > this.#chunkBytesMax && table.directory.count(at) > 0) {
      at = this.#isolate(at, hash, lsn)
      from = table.directory.ref(at)
    }
    const fromStart = values.start(from)
    const pair = findField(values.bytes(from), fromStart, field, fieldStart, fieldEnd, hash & 0xff)
    const needed = setBytesNeeded(values.bytes(from), fromStart, pair, fieldEnd - fieldStart, valueEnd - valueStart)
    const isReplaced = pair >= 0 && this.#isLargeField(at)
    const ref = isReplaced ? table.emptied(at, needed) : table.writable(at, needed)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    if (pair < 0 || isReplaced) appendField(bytes, start, hash & 0xff, field, fieldStart, fieldEnd, value, valueStart, valueEnd)
    else replaceValue(bytes, start, pair - fromStart + start, value, valueStart, valueEnd)
    table.changed(at, table.directory.count(at) + (pair < 0 ? 1 : 0), lsn)
    if (needed > this.#chunkBytesMax) this.#split(at, lsn)
    else if (pair >= 0) table.trim(at)
    return pair < 0
  }

  /** Deletes a field; true if it was there. */
  delete(field: Uint8Array, fieldStart: number, fieldEnd: number, lsn: number): boolean {
    const table = this.#table
    const values = this.#values
    const hash = fieldHash(field, fieldStart, fieldEnd, this.seed)
    const at = table.directory.locate(hash)
    if (at < 0) return false
    const from = this.#used(at)
    const fromStart = values.start(from)
    const pair = findField(values.bytes(from), fromStart, field, fieldStart, fieldEnd, hash & 0xff)
    if (pair < 0) return false
    if (this.#isLargeField(at)) table.emptied(at, packedHeaderBytes)
    else {
      const ref = table.writable(at, 0)
      const start = values.start(ref)
      removeField(values.bytes(ref), start, pair - fromStart + start)
    }
    table.changed(at, table.directory.count(at) - 1, lsn)
    if (table.directory.bytes(at) >= this.#chunkBytesMax / 4 || !this.#merge(at, lsn)) table.trim(at)
    return true
  }

  /**
   * Visits about `count` fields (at least 1) in order of hash, those with one hash together, from a cursor on (0: the start). Returns the
   * cursor to go on with, 0 at the end. A field that stays throughout is visited once or more, whatever else changes between
   * the calls. The chunk of the cursor must be resident; a cold chunk behind it ends the call early.
   */
  scan(cursor: number, count: number, visit: VisitPair): number {
    const directory = this.#table.directory
    let at = cursor < hashEnd ? directory.locate(cursor) : -1
    if (at >= 0 && directory.ref(at) === 0) throw new Error('chunked hash: the chunk to scan is not resident')
    let left = Math.max(count, 1)
    while (at >= 0) {
      const ref = directory.ref(at)
      if (ref === 0 || left <= 0) return directory.firstHash(at)
      const bytes = this.#values.bytes(ref)
      const start = this.#values.start(ref)
      if (cursor <= directory.firstHash(at) && directory.count(at) <= left) {
        left -= directory.count(at)
        visitAll(bytes, start, visitPair, visit)
      } else {
        visitHashes.load(bytes, start, this.seed)
        const next = visitHashes.visitFrom(cursor, left, bytes, start, visit)
        if (next < hashEnd) return next
        left -= visitHashes.visited
      }
      at = directory.after(at)
    }
    return 0
  }

  /** Value id of the cold chunk that holds field number `rank` in the present order, 0 when it is resident. */
  coldChunkOfRank(rank: number): number {
    const directory = this.#table.directory
    const at = directory.locateRank(rank)
    return at < 0 || directory.ref(at) !== 0 ? 0 : directory.valueId(at)
  }

  /** Field number `rank` (0 ≤ rank < length) in the present order; undefined when there are not so many. */
  atRank(rank: number, out: PackedCursor): Buffer | undefined {
    const at = this.#table.directory.locateRank(rank)
    if (at < 0) return undefined
    const rankWithin = this.#table.directory.rankWithin
    const ref = this.#used(at)
    const bytes = this.#values.bytes(ref)
    return readPairAtRank(bytes, this.#values.start(ref), rankWithin, out) ? bytes : undefined
  }

  /** The rank that a uniform 32-bit number stands for: `atRank(rankOf(r), …)` is a field at random, all alike. */
  rankOf(r: number): number {
    return Math.floor((r / hashEnd) * this.length)
  }

  /** A field at random, its chunk being resident. */
  random(r: number, out: PackedCursor): Buffer | undefined {
    return this.atRank(this.rankOf(r), out)
  }

  /** Fetched bytes become a clean resident chunk. False, and nothing done, unless that chunk is cold under that id. */
  admit(firstHash: number, valueId: number, bytes: Buffer): boolean {
    return this.#table.admit(firstHash, valueId, bytes)
  }

  /** Makes a clean resident chunk cold. False, and nothing done, if it is dirty. The ref must be one of this hash's chunks. */
  evict(valueRef: number): boolean {
    return this.#table.evict(valueRef)
  }

  /** See `ChunkTable.relocate`. */
  relocate(valueRef: number): void {
    this.#table.relocate(valueRef)
  }

  /** See `ChunkTable.eachDirty`. */
  eachDirty(visit: VisitDirty, fromHash = 0): number {
    return this.#table.eachDirty(visit, fromHash)
  }

  /** See `ChunkTable.stored`. */
  stored(firstHash: number, lsn: number, valueId: number, cataloged = false): boolean {
    return this.#table.stored(firstHash, lsn, valueId, cataloged)
  }

  /** Visits the rows of all clean chunks, whether the catalog has them or not. */
  eachRow(visit: VisitRow): void {
    this.#table.eachRow(visit)
  }

  /** See `ChunkTable.eachCatalogDirty`. */
  eachCatalogDirty(visit: VisitRow): void {
    this.#table.eachCatalogDirty(visit)
  }

  /** See `ChunkTable.clearCatalogDirty`. */
  clearCatalogDirty(): void {
    this.#table.clearCatalogDirty()
  }

  /** Sets a row as the catalog has it: a cold chunk, or with value id 0 none. */
  restoreChunk(firstHash: number, valueId: number, lsn: number, count: number, bytes: number): void {
    this.#table.restore(firstHash, valueId, lsn, count, bytes)
  }

  /** Releases up to `max` chunks for good, telling the observer of each; true when none is left. The catalog's rows are the caller's. */
  releaseSome(max: number): boolean {
    return this.#table.releaseSome(max)
  }

  /** Ref of a chunk that is about to be used. */
  #used(at: number): number {
    const ref = this.#table.directory.ref(at)
    if (ref === 0) throw new Error('chunked hash: the chunk is not resident')
    this.#values.touch(ref)
    return ref
  }

  /** Whether a chunk is one field that has a large block to itself, whose bytes are not copied about. */
  #isLargeField(at: number): boolean {
    const { directory } = this.#table
    return directory.count(at) === 1 && this.#values.arena.isLarge(directory.ref(at))
  }

  /** Splits a chunk until no part is too large that can be split. */
  #split(at: number, lsn: number): void {
    const directory = this.#table.directory
    if (directory.bytes(at) <= this.#chunkBytesMax || directory.count(at) < 2) return
    this.#load(at)
    const boundary = splitHashes.median()
    if (boundary === 0) return
    const firstHash = directory.firstHash(at)
    this.#split(this.#splitAt(at, boundary, lsn), lsn)
    this.#split(directory.locate(firstHash), lsn)
  }

  /** Leaves the fields with one hash, if any, in a chunk of their own, so that a large value is not copied about. Returns its position. */
  #isolate(at: number, hash: number, lsn: number): number {
    this.#load(at)
    const behind = splitHashes.countFrom(hash + 1)
    const below = this.#table.directory.count(at) - splitHashes.countFrom(hash)
    if (behind > 0) {
      at = this.#table.directory.before(this.#splitAt(at, hash + 1, lsn))
      this.#load(at)
    }
    return below > 0 ? this.#splitAt(at, hash, lsn) : at
  }

  /** Cuts a chunk in two; its hashes are loaded. Returns the position of the part that begins at the boundary; others are void. */
  #splitAt(at: number, boundary: number, lsn: number): number {
    const table = this.#table
    const values = this.#values
    table.writable(at, 0)
    const right = table.create(at, boundary, packedHeaderBytes + splitHashes.bytesFrom(boundary), lsn)
    const left = table.directory.before(right)
    const from = table.directory.ref(left)
    const to = table.directory.ref(right)
    const moved = splitHashes.moveFrom(boundary, values.bytes(from), values.start(from), values.bytes(to), values.start(to))
    table.changed(left, table.directory.count(left) - moved, lsn)
    table.changed(right, moved, lsn)
    table.fit(left)
    return right
  }

  /**
   * Joins a chunk that has become small to a neighbour, if there is room. The neighbour must be resident, even where nothing moves
   * into it: its range grows, and whoever made the chunks of several fields resident counts on all of them.
   */
  #merge(at: number, lsn: number): boolean {
    const directory = this.#table.directory
    const before = directory.before(at)
    // A neighbour that is ahead of this mutation (during replay) would bring its LSN over fields that are not as far.
    if (before >= 0 && directory.count(at) === 0 && directory.ref(before) !== 0 && directory.lsn(before) <= lsn) {
      this.#table.remove(at)
      return true
    }
    if (before >= 0 && this.#fitTogether(before, at, lsn)) {
      this.#table.mergeNext(before, lsn)
      return true
    }
    const after = directory.after(at)
    if (after < 0 || !this.#fitTogether(at, after, lsn)) return false
    this.#table.mergeNext(at, lsn)
    return true
  }

  #fitTogether(left: number, right: number, lsn: number): boolean {
    const directory = this.#table.directory
    return (
      directory.ref(left) !== 0 &&
      directory.ref(right) !== 0 &&
      directory.bytes(left) + directory.bytes(right) <= this.#chunkBytesMax / 2 &&
      directory.lsn(left) <= lsn &&
      directory.lsn(right) <= lsn
    )
  }

  #load(at: number): void {
    const ref = this.#table.directory.ref(at)
    splitHashes.load(this.#values.bytes(ref), this.#values.start(ref), this.seed)
  }
}
