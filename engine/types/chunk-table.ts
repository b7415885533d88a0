/**
 * The chunks of a large hash as records that live, move, cool and leave, whatever fields they hold.
 *
 * A chunk is resident or cold. A resident chunk is dirty when it is newer than its copy in the cold store; only then is its value
 * id 0, for the copy is given up (`stale`) with the first change. Its LSN never falls and rises with every change after a
 * write-out began, so that a write-out as of that LSN is known to be current. Chunk 0 begins at hash 0 and is never removed.
 *
 * The catalog (the rows in the cold store) follows in batches. A batch is a state of the whole hash if it holds, as of one
 * moment, the rows of `eachCatalogDirty` and, with their bytes, all chunks of `eachDirty`. A copy may be deleted once a batch
 * lasts that began after it was told `stale`.
 */
import type { Values } from '../keyspace/values.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { Arena, slotBytesMax } from '../memory/arena.ts'
import { ChunkDirectory } from './chunk-directory.ts'
import { firstHash, packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from './packed-fields.ts'
import { packedTrimmed, packedWithRoom } from './packed-hash.ts'

/** Who keeps track of resident chunks and of copies in the cold store. */
export interface ChunkObserver {
  created(valueRef: number): void
  moved(oldRef: number, newRef: number): void
  /** Called while the record can still be read. Evicted chunks are told too. */
  released(valueRef: number): void
  /** The stored copy is obsolete, though the catalog may refer to it until its next batch. */
  stale(valueId: number): void
}

/** Returning false ends the visits. */
export type VisitDirty = (firstHash: number, valueRef: number, lsn: number, count: number, bytes: number) => boolean | undefined
export type VisitRow = (firstHash: number, valueId: number, lsn: number, count: number, bytes: number) => void

/** The resident bytes have no identical copy in the cold store. */
const valueDirty = 1
/** The catalog does not know the row as it is. */
const catalogDirty = 2
/** The row is in a batch that has not yet been reported written. */
const told = 4

export class ChunkTable {
  readonly values: Values
  /** Another one only after `takeChunks`. */
  directory = new ChunkDirectory()
  readonly #ownerWord: number
  readonly #observer: ChunkObserver
  /** First hashes of chunks that are no more, and whether a batch says so already. */
  readonly #removed = new Map<number, boolean>()
  #fields = 0
  #resident = 0
  #residentBytes = 0
  #dirty = 0

  constructor(values: Values, ownerWord: number, observer: ChunkObserver) {
    this.values = values
    this.#ownerWord = ownerWord
    this.#observer = observer
  }

  get fields(): number {
    return this.#fields
  }

  get residentChunks(): number {
    return this.#resident
  }

  get dirtyChunks(): number {
    return this.#dirty
  }

  /** Bytes of the resident chunks' slots. */
  get residentBytes(): number {
    return this.#residentBytes
  }

  /** A new, empty, dirty chunk with room for `size` bytes, behind a position (-1: before all). Returns its position; others are void. */
  create(behind: number, chunkHash: number, size: number, lsn: number): number {
    const ref = this.values.create(this.#ownerWord, size, true)
    writeEmpty(this.values.bytes(ref), this.values.start(ref), chunkHash)
    const at = this.directory.insertBehind(behind, chunkHash)
    this.directory.setFlags(at, valueDirty)
    this.directory.setLsn(at, lsn)
    this.#removed.delete(chunkHash)
    this.#dirty++
    this.#enter(at, ref)
    return at
  }

  /** Ref of the chunk, with room for `needed` bytes in all (0: what it has), to be changed in place. */
  writable(at: number, needed: number): number {
    const from = this.directory.ref(at)
    if (needed <= this.values.room(from) && !this.values.isShared(from)) return from
    const capacity = this.values.arena.capacity(from)
    return this.#moved(at, from, capacity, packedWithRoom(this.values, from, needed))
  }

  /** As `writable` where all that the chunk holds goes: it is empty, with room for `size` bytes, and nothing was copied. */
  emptied(at: number, size: number): number {
    const from = this.directory.ref(at)
    const capacity = this.values.arena.capacity(from)
    const to = this.#moved(at, from, capacity, this.values.moved(from, size, packedHeaderBytes))
    setUsedBytes(this.values.bytes(to), this.values.start(to), packedHeaderBytes)
    return to
  }

  /** Moves a resident chunk to another slot of its size. Nothing is done with a ref that is no chunk of this table. */
  relocate(valueRef: number): void {
    const at = this.directory.find(firstHash(this.values.bytes(valueRef), this.values.start(valueRef)))
    if (at < 0 || this.directory.ref(at) !== valueRef) return
    const room = this.values.room(valueRef)
    const capacity = this.values.arena.capacity(valueRef)
    this.#moved(at, valueRef, capacity, this.values.moved(valueRef, room, room))
  }

  /** Gives room back when most of it stands empty. */
  trim(at: number): void {
    const from = this.directory.ref(at)
    const capacity = this.values.arena.capacity(from)
    this.#moved(at, from, capacity, packedTrimmed(this.values, from))
  }

  /** Gives back all room that is not needed; of a large block only if it is worth the copying. */
  fit(at: number): void {
    const from = this.directory.ref(at)
    const capacity = this.values.arena.capacity(from)
    const used = this.directory.bytes(at)
    const fitting = Arena.roundedSize(valueHeaderBytes + used)
    if (fitting < (capacity > slotBytesMax ? capacity * 0.8 : capacity))
      this.#moved(at, from, capacity, this.values.moved(from, used, used))
  }

  /** Notes that the chunk's blob was changed by the mutation with this LSN. */
  changed(at: number, count: number, lsn: number): void {
    const directory = this.directory
    const ref = directory.ref(at)
    this.#fields += count - directory.count(at)
    directory.setCount(at, count)
    directory.setBytes(at, usedBytes(this.values.bytes(ref), this.values.start(ref)))
    if (lsn > directory.lsn(at)) directory.setLsn(at, lsn)
    const flags = directory.flags(at)
    if ((flags & valueDirty) !== 0) return
    directory.setFlags(at, flags | valueDirty)
    this.#dirty++
    this.#outdate(at)
    this.values.setId(ref, 0)
  }

  /** Takes a chunk out whose fields are gone or elsewhere; its range falls to the chunk before. Positions are void. */
  remove(at: number): void {
    this.#removed.set(this.directory.firstHash(at), false)
    this.#outdate(at)
    this.#drop(at)
  }

  /** Appends the fields of the next chunk to a chunk and removes that one. Both are resident. Positions behind `at` are void. */
  mergeNext(at: number, lsn: number): void {
    const directory = this.directory
    const next = directory.after(at)
    const used = directory.bytes(at)
    const more = directory.bytes(next) - packedHeaderBytes
    const ref = this.writable(at, used + more)
    const bytes = this.values.bytes(ref)
    const start = this.values.start(ref)
    const from = directory.ref(next)
    const fromStart = this.values.start(from) + packedHeaderBytes
    this.values.bytes(from).copy(bytes, start + used, fromStart, fromStart + more)
    setUsedBytes(bytes, start, used + more)
    this.changed(at, directory.count(at) + directory.count(next), lsn)
    this.remove(next)
  }

  /** Fetched bytes become a clean resident chunk. False, and nothing done, unless the chunk is cold under that id. */
  admit(chunkHash: number, valueId: number, bytes: Buffer): boolean {
    const directory = this.directory
    const at = directory.find(chunkHash)
    if (at < 0 || directory.ref(at) !== 0 || directory.valueId(at) !== valueId) return false
    const size = directory.bytes(at)
    if (bytes.length < size || usedBytes(bytes, 0) !== size || firstHash(bytes, 0) !== chunkHash) {
      throw new Error(`chunk ${chunkHash} under value id ${valueId}: fetched bytes are not the chunk's`)
    }
    const ref = this.values.create(this.#ownerWord, size, true)
    bytes.copy(this.values.bytes(ref), this.values.start(ref), 0, size)
    this.values.setId(ref, valueId)
    this.#enter(at, ref)
    return true
  }

  /** Drops the bytes of a chunk that has an identical copy in the cold store. False, and nothing done, for any other ref. */
  evict(valueRef: number): boolean {
    const directory = this.directory
    const at = directory.find(firstHash(this.values.bytes(valueRef), this.values.start(valueRef)))
    if (at < 0 || directory.ref(at) !== valueRef || directory.valueId(at) === 0) return false
    this.#leave(at)
    directory.setRef(at, 0)
    return true
  }

  /**
   * A write-out of the chunk as of `lsn` is complete under `valueId`. True if that is what the chunk holds: it is clean. False if it has
   * changed since: the copy is stale, and the caller's to delete (if it is `cataloged` already, after a later batch).
   */
  stored(chunkHash: number, lsn: number, valueId: number, cataloged: boolean): boolean {
    const directory = this.directory
    const at = directory.find(chunkHash)
    if (at < 0 || directory.lsn(at) !== lsn) return false
    const ref = directory.ref(at)
    if ((directory.flags(at) & valueDirty) !== 0) this.#dirty--
    else if (directory.valueId(at) !== valueId) this.#outdate(at)
    directory.setValueId(at, valueId)
    if (ref !== 0) this.values.setId(ref, valueId)
    directory.setFlags(at, cataloged ? 0 : catalogDirty)
    return true
  }

  /** Visits dirty chunks in order of hash from `fromHash` on, until a visit returns false. Returns where to go on, or 0. */
  eachDirty(visit: VisitDirty, fromHash: number): number {
    const directory = this.directory
    if (this.#dirty === 0) return 0
    for (let at = Math.max(directory.locate(fromHash), 0); at >= 0; at = directory.after(at)) {
      const chunkHash = directory.firstHash(at)
      if ((directory.flags(at) & valueDirty) === 0 || chunkHash < fromHash) continue
      if (visit(chunkHash, directory.ref(at), directory.lsn(at), directory.count(at), directory.bytes(at)) !== false) continue
      const next = directory.after(at)
      return next < 0 ? 0 : directory.firstHash(next)
    }
    return 0
  }

  /** Visits the rows of all clean chunks: what a catalog that begins anew must be told. */
  eachRow(visit: VisitRow): void {
    const directory = this.directory
    for (let at = directory.first(); at >= 0; at = directory.after(at)) {
      if ((directory.flags(at) & valueDirty) !== 0) continue
      visit(directory.firstHash(at), directory.valueId(at), directory.lsn(at), directory.count(at), directory.bytes(at))
    }
  }

  /** Visits the rows that the catalog has otherwise or not at all, dirty chunks' excepted. Removed chunks come with value id 0. */
  eachCatalogDirty(visit: VisitRow): void {
    const directory = this.directory
    for (const chunkHash of this.#removed.keys()) {
      this.#removed.set(chunkHash, true)
      visit(chunkHash, 0, 0, 0, 0)
    }
    for (let at = directory.first(); at >= 0; at = directory.after(at)) {
      const flags = directory.flags(at)
      if ((flags & (catalogDirty | valueDirty)) !== catalogDirty) continue
      directory.setFlags(at, flags | told)
      visit(directory.firstHash(at), directory.valueId(at), directory.lsn(at), directory.count(at), directory.bytes(at))
    }
  }

  /** The batch of the last `eachCatalogDirty` lasts. What changed since stays to be told; without this call everything does. */
  clearCatalogDirty(): void {
    const directory = this.directory
    for (const [chunkHash, isTold] of this.#removed) if (isTold) this.#removed.delete(chunkHash)
    for (let at = directory.first(); at >= 0; at = directory.after(at)) {
      const flags = directory.flags(at)
      if ((flags & told) !== 0) directory.setFlags(at, flags & ~(told | catalogDirty))
    }
  }

  /** Sets a row as the catalog has it: a cold chunk, or with value id 0 none. */
  restore(chunkHash: number, valueId: number, lsn: number, count: number, bytes: number): void {
    const directory = this.directory
    let at = directory.find(chunkHash)
    if (valueId === 0) {
      if (at >= 0) this.#drop(at)
      return
    }
    if (at < 0) at = directory.insertBehind(directory.locate(chunkHash), chunkHash)
    else {
      if (directory.ref(at) !== 0) this.#leave(at)
      if ((directory.flags(at) & valueDirty) !== 0) this.#dirty--
    }
    this.#fields += count - directory.count(at)
    directory.setRef(at, 0)
    directory.setValueId(at, valueId)
    directory.setLsn(at, lsn)
    directory.setCount(at, count)
    directory.setBytes(at, bytes)
    directory.setFlags(at, 0)
  }

  /** Releases up to `max` chunks for good; the catalog's rows are the caller's to delete. Returns whether none is left. */
  releaseSome(max: number): boolean {
    this.#removed.clear()
    for (let i = 0; i < max && this.directory.length > 0; i++) {
      const at = this.directory.last()
      this.#outdate(at)
      this.#drop(at)
    }
    return this.directory.length === 0
  }

  /**
   * Takes all chunks of another table where they lie, in memory or in the cold store; that one is left empty. The catalog is to be told
   * of each, for it has them as another collection's. This table has no chunks before.
   */
  takeChunks(from: ChunkTable): void {
    const { directory } = from
    if (this.directory.length > 0) throw new Error('chunk table: it has chunks already')
    from.directory = this.directory
    this.directory = directory
    this.#fields = from.#fields
    this.#resident = from.#resident
    this.#residentBytes = from.#residentBytes
    this.#dirty = from.#dirty
    from.#fields = 0
    from.#resident = 0
    from.#residentBytes = 0
    from.#dirty = 0
    from.#removed.clear()
    for (let at = directory.first(); at >= 0; at = directory.after(at)) {
      const ref = directory.ref(at)
      if (ref !== 0) this.values.setOwner(ref, this.#ownerWord)
      directory.setFlags(at, (directory.flags(at) & valueDirty) !== 0 ? valueDirty : catalogDirty)
    }
  }

  /** Copies all chunks of another table, each resident, as dirty ones of this LSN. This table has no chunks before. */
  copyChunks(from: ChunkTable, lsn: number): void {
    const { values } = this
    if (this.directory.length > 0) throw new Error('chunk table: it has chunks already')
    if (from.#resident < from.directory.length) throw new Error('chunk table: a chunk is not resident')
    let last = -1
    for (let at = from.directory.first(); at >= 0; at = from.directory.after(at)) {
      const size = from.directory.bytes(at)
      const source = from.directory.ref(at)
      last = this.create(last, from.directory.firstHash(at), size, lsn)
      const ref = this.directory.ref(last)
      const start = values.start(source)
      values.bytes(source).copy(values.bytes(ref), values.start(ref), start, start + size)
      this.changed(last, from.directory.count(at), lsn)
    }
  }

  #outdate(at: number): void {
    const valueId = this.directory.valueId(at)
    if (valueId === 0) return
    this.directory.setValueId(at, 0)
    this.#observer.stale(valueId)
  }

  #drop(at: number): void {
    if (this.directory.ref(at) !== 0) this.#leave(at)
    if ((this.directory.flags(at) & valueDirty) !== 0) this.#dirty--
    this.#fields -= this.directory.count(at)
    this.directory.remove(at)
  }

  #enter(at: number, ref: number): void {
    this.directory.setRef(at, ref)
    this.directory.setBytes(at, usedBytes(this.values.bytes(ref), this.values.start(ref)))
    this.#resident++
    this.#residentBytes += this.values.arena.capacity(ref)
    this.#observer.created(ref)
  }

  #leave(at: number): void {
    const ref = this.directory.ref(at)
    this.#observer.released(ref)
    this.#resident--
    this.#residentBytes -= this.values.arena.capacity(ref)
    this.values.release(ref)
  }

  #moved(at: number, from: number, fromCapacity: number, to: number): number {
    if (to === from) return to
    this.directory.setRef(at, to)
    this.#residentBytes += this.values.arena.capacity(to) - fromCapacity
    this.#observer.moved(from, to)
    return to
  }
}
