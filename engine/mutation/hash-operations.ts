/**
 * Setting and deleting fields of a hash, in whichever of its two forms it is: packed while small, chunked once a field is
 * long or fields are many (Redis's `hash-max-listpack-*`), never back.
 *
 * A record that is replayed reaches a large hash chunk by chunk: a chunk that shows a later LSN has it already. One that
 * shows the same LSN gets it again, which changes nothing, for operations on fields are absolute.
 */
import { chunkedHash, hashType, packedHash } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Random } from '../random.ts'
import type { ChunkObserver } from '../types/chunk-table.ts'
import { ChunkedHash } from '../types/chunked-hash.ts'
import { PackedHashes } from '../types/packed-hash.ts'
import type { FieldSource } from './field-source.ts'

export interface HashLimits {
  hashMaxListpackEntries: number
  hashMaxListpackValue: number
  /** A chunk of a large hash above this is split; `chunkBytesMax` unless told. */
  hashChunkBytesMax?: number | undefined
}

export class HashOperations {
  readonly #keyspace: Keyspace
  readonly #limits: HashLimits
  readonly #random: Random
  readonly #packed: PackedHashes
  readonly #chunks: ChunkObserver

  constructor(keyspace: Keyspace, limits: HashLimits, random: Random) {
    this.#keyspace = keyspace
    this.#limits = limits
    this.#random = random
    this.#packed = new PackedHashes(keyspace.values)
    this.#chunks = chunkObserver(keyspace)
  }

  /** Returns how many fields were new. The entry may have no value yet. */
  set(entry: number, pairs: FieldSource, lsn: number): number {
    const { entries } = this.#keyspace
    let added = 0
    for (let i = 0; i < pairs.count; i++) {
      if (entries.encoding(entry) !== chunkedHash && this.#isLong(pairs, i)) this.#convert(entry, lsn)
      if (entries.encoding(entry) === chunkedHash) added += this.#setInChunks(entry, pairs, i, lsn)
      else {
        added += this.#setInPacked(entry, pairs, i)
        if (entries.length(entry) > this.#limits.hashMaxListpackEntries) this.#convert(entry, lsn)
      }
    }
    this.#changed(entry, lsn)
    return added
  }

  /** Returns how many fields there were. An empty hash is the caller's to remove. */
  delete(entry: number, fields: FieldSource, lsn: number): number {
    const { entries } = this.#keyspace
    const isChunked = entries.encoding(entry) === chunkedHash
    let deleted = 0
    for (let i = 0; i < fields.count; i++) {
      const removed = isChunked ? this.#deleteInChunks(entry, fields, i, lsn) : this.#deleteInPacked(entry, fields, i)
      if (!removed) continue
      deleted++
      if (entries.length(entry) === 0) return deleted
    }
    this.#changed(entry, lsn)
    return deleted
  }

  /** Gives a packed hash the large form. */
  enlarge(entry: number, lsn: number): void {
    if (this.#keyspace.entries.encoding(entry) === packedHash) this.#convert(entry, lsn)
    this.#changed(entry, lsn)
  }

  /** Gives the large hash of the entry `from` to `to`, which has no value. `from` is left with an empty one. */
  move(from: number, to: number): void {
    const { entries, access } = this.#keyspace
    this.#sibling(from, to, access.used(entries.access(from))).takeChunks(this.#collection(from))
    entries.setLength(to, entries.length(from))
  }

  /** Gives `to`, which has no value, a copy of the large hash of `from`, each chunk resident. */
  copy(from: number, to: number, lsn: number): void {
    const { entries, access } = this.#keyspace
    this.#sibling(from, to, access.initial()).copyChunks(this.#collection(from), lsn)
    entries.setLength(to, entries.length(from))
    this.#keyspace.changed(to, lsn)
  }

  /** The large hash of an entry, as a record carries it. */
  pieces(entry: number, bytesMin: number): Buffer[] {
    return this.#collection(entry).pieces(bytesMin)
  }

  /** Makes `to` an empty large hash with the seed of `from`, so that the chunks of one can be the other's. */
  #sibling(from: number, to: number, access: number): ChunkedHash {
    const keyspace = this.#keyspace
    const number = keyspace.nextCollectionNumber()
    // An id of its own: were a catalog to know both keys, each would have its own rows.
    const id = keyspace.nextCollectionId++
    const { seed } = this.#collection(from)
    const hash = new ChunkedHash(keyspace.values, number, id, seed, this.#chunks, this.#limits.hashChunkBytesMax)
    keyspace.collections[number] = hash
    keyspace.entries.setTypeAndEncoding(to, hashType, chunkedHash)
    keyspace.entries.setResident(to, number, access)
    return hash
  }

  #collection(entry: number): ChunkedHash {
    const hash = this.#keyspace.collections[this.#keyspace.entries.value(entry)]
    if (hash === undefined) throw new Error('a large hash is without its collection')
    return hash
  }

  #isLong(pairs: FieldSource, i: number): boolean {
    const limit = this.#limits.hashMaxListpackValue
    return pairs.fieldEnd(i) - pairs.fieldStart(i) > limit || pairs.valueEnd(i) - pairs.valueStart(i) > limit
  }

  #setInPacked(entry: number, pairs: FieldSource, i: number): number {
    const keyspace = this.#keyspace
    const { entries } = keyspace
    const buffer = pairs.buffer(i)
    if (entries.encoding(entry) !== packedHash) {
      const value = this.#packed.create(
        entry,
        buffer,
        pairs.fieldStart(i),
        pairs.fieldEnd(i),
        buffer,
        pairs.valueStart(i),
        pairs.valueEnd(i),
      )
      entries.setTypeAndEncoding(entry, hashType, packedHash)
      entries.setResident(entry, value, keyspace.access.initial())
      entries.setLength(entry, 1)
      keyspace.observer.resident(value)
      return 1
    }
    const from = entries.value(entry)
    const to = this.#packed.set(from, buffer, pairs.fieldStart(i), pairs.fieldEnd(i), buffer, pairs.valueStart(i), pairs.valueEnd(i))
    this.#moved(entry, from, to)
    if (!this.#packed.added) return 0
    entries.setLength(entry, entries.length(entry) + 1)
    return 1
  }

  #deleteInPacked(entry: number, fields: FieldSource, i: number): boolean {
    const { entries } = this.#keyspace
    const from = entries.value(entry)
    const to = this.#packed.delete(from, fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i))
    this.#moved(entry, from, to)
    if (this.#packed.removed) entries.setLength(entry, entries.length(entry) - 1)
    return this.#packed.removed
  }

  #setInChunks(entry: number, pairs: FieldSource, i: number, lsn: number): number {
    const hash = this.#keyspace.collections[this.#keyspace.entries.value(entry)] as ChunkedHash
    const buffer = pairs.buffer(i)
    const fieldStart = pairs.fieldStart(i)
    const fieldEnd = pairs.fieldEnd(i)
    if (hash.chunkLsnFor(buffer, fieldStart, fieldEnd) > lsn) return 0
    const added = hash.set(buffer, fieldStart, fieldEnd, buffer, pairs.valueStart(i), pairs.valueEnd(i), lsn)
    this.#keyspace.entries.setLength(entry, hash.length)
    return added ? 1 : 0
  }

  #deleteInChunks(entry: number, fields: FieldSource, i: number, lsn: number): boolean {
    const hash = this.#keyspace.collections[this.#keyspace.entries.value(entry)] as ChunkedHash
    const buffer = fields.buffer(i)
    const fieldStart = fields.fieldStart(i)
    const fieldEnd = fields.fieldEnd(i)
    if (hash.chunkLsnFor(buffer, fieldStart, fieldEnd) > lsn) return false
    const removed = hash.delete(buffer, fieldStart, fieldEnd, lsn)
    this.#keyspace.entries.setLength(entry, hash.length)
    return removed
  }

  #convert(entry: number, lsn: number): void {
    const keyspace = this.#keyspace
    const { entries } = keyspace
    const number = keyspace.nextCollectionNumber()
    const id = keyspace.nextCollectionId++
    const seed = this.#random.nextUint32()
    const access = entries.access(entry)
    const chunkBytes = this.#limits.hashChunkBytesMax
    const hash =
      entries.encoding(entry) === packedHash
        ? ChunkedHash.fromPacked(entries.value(entry), lsn, keyspace.values, number, id, seed, this.#chunks, chunkBytes)
        : new ChunkedHash(keyspace.values, number, id, seed, this.#chunks, chunkBytes)
    keyspace.dropValue(entry)
    keyspace.collections[number] = hash
    entries.setTypeAndEncoding(entry, hashType, chunkedHash)
    entries.setResident(entry, number, access)
  }

  #moved(entry: number, from: number, to: number): void {
    if (from === to) return
    this.#keyspace.setValue(entry, to)
    this.#keyspace.observer.moved(from, to)
  }

  #changed(entry: number, lsn: number): void {
    const keyspace = this.#keyspace
    const { entries } = keyspace
    entries.setAccess(entry, keyspace.access.used(entries.access(entry)))
    if (entries.encoding(entry) === chunkedHash) keyspace.changed(entry, lsn)
    else keyspace.valueChanged(entry, lsn)
  }
}

/** What the keyspace's observer hears of a collection's chunks. */
export function chunkObserver(keyspace: Keyspace): ChunkObserver {
  return {
    created: (value) => keyspace.observer.resident(value),
    moved: (from, to) => keyspace.observer.moved(from, to),
    released: (value) => keyspace.observer.released(value),
    stale: (id) => keyspace.observer.stale(id),
  }
}
