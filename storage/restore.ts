/**
 * Rebuilds the keyspace from a catalog: every key's metadata, small values with it, all others cold. Values are not
 * read. What the log holds beyond the catalog's marker is replayed afterwards.
 */
import type { TypeNumber } from '../engine/keyspace/entries.ts'
import { catalogedFlag, chunkedHash, dirtyFlag, valueDirtyFlag } from '../engine/keyspace/entries.ts'
import type { KeyIndex } from '../engine/keyspace/key-index.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import { chunkObserver } from '../engine/mutation/hash-operations.ts'
import { ChunkedHash } from '../engine/types/chunked-hash.ts'
import type { CatalogVisitor } from './catalog-format.ts'
import type { Tier } from './tier.ts'

export class KeyspaceRestore implements CatalogVisitor {
  readonly #keyspace: Keyspace
  readonly #tier: Tier
  readonly #hashChunkBytes: number | undefined
  /** Large hashes by their id in the catalog. */
  readonly #hashes = new Map<number, ChunkedHash>()
  /** Entries that were told of a hash that is yet to be described. */
  readonly #awaiting = new Map<number, number>()
  /** Ids that were to be deleted from the cold store, and perhaps were not. */
  readonly freedIds: number[] = []

  /** Entries that came with a value which is worth moving: some are replaced or deleted by later rows. */
  readonly #movable: number[] = []

  /** Entries to come, and the index that was made for that many. */
  readonly #entries: number
  #reserved: KeyIndex | undefined

  /** While it runs, the keyspace must have no observer. About `entries` are to come. */
  constructor(keyspace: Keyspace, tier: Tier, entries: number, hashChunkBytes?: number) {
    this.#keyspace = keyspace
    this.#tier = tier
    this.#entries = entries
    this.#hashChunkBytes = hashChunkBytes
  }

  upcoming(db: number, bytes: Buffer, starts: Int32Array, ends: Int32Array, count: number): void {
    const { databases, lookAhead } = this.#keyspace
    const { index } = databases[db]
    // Nearly always one database holds nearly all keys.
    if (this.#reserved === undefined) {
      index.reserve(this.#entries)
      this.#reserved = index
    }
    lookAhead.look(index, bytes, starts, ends, count)
  }

  noneUpcoming(): void {
    this.#keyspace.lookAhead.end()
  }

  entry(
    db: number,
    type: number,
    encoding: number,
    _flags: number,
    lsn: number,
    expireAt: number,
    length: number,
    valueId: number,
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    inline: Buffer,
    inlineStart: number,
    inlineEnd: number,
  ): void {
    const keyspace = this.#keyspace
    const { entries } = keyspace
    keyspace.forgetLookUp()
    let ref = keyspace.find(db, key, keyStart, keyEnd)
    const same = ref !== 0 && encoding === chunkedHash && this.#isHash(ref, valueId)
    if (ref !== 0 && !same) {
      this.#remove(ref)
      keyspace.find(db, key, keyStart, keyEnd)
      ref = 0
    }
    if (ref === 0) ref = keyspace.insert(db, type as TypeNumber, key, keyStart, keyEnd, expireAt !== 0)
    if (encoding === chunkedHash) {
      if (!same) this.#awaiting.set(valueId, ref)
    } else if (valueId !== 0) {
      entries.setTypeAndEncoding(ref, type as TypeNumber, encoding)
      entries.setCold(ref, valueId, 0)
      keyspace.coldCount++
    } else {
      entries.setTypeAndEncoding(ref, type as TypeNumber, encoding)
      this.#putInline(ref, inline, inlineStart, inlineEnd)
    }
    entries.setLength(ref, length)
    entries.setLsn(ref, lsn)
    entries.setFlag(ref, catalogedFlag)
    const placed = keyspace.setExpireAt(ref, expireAt)
    if (placed !== ref && this.#awaiting.get(valueId) === ref) this.#awaiting.set(valueId, placed)
    if (encoding !== chunkedHash && valueId === 0 && this.#tier.isMovable(entries.value(placed))) this.#movable.push(placed)
  }

  /**
   * After the last row: gives back what of the index was made in vain, and tells the tier of the values that it may move after all, because their keys were to expire soon when
   * they were told, or because the setting has changed.
   */
  finish(): void {
    this.#reserved?.trim()
    const { entries, values } = this.#keyspace
    for (const ref of this.#movable) {
      if (!entries.isLive(ref) || entries.encoding(ref) === chunkedHash || !entries.isResident(ref)) continue
      const value = entries.value(ref)
      if (value === 0 || values.id(value) !== 0 || values.queue(value) !== 0 || !this.#tier.isMovable(value)) continue
      this.#tier.resident(value)
      if (entries.flag(ref, dirtyFlag)) continue
      entries.setFlag(ref, dirtyFlag)
      this.#tier.dirtied(ref)
    }
    this.#movable.length = 0
  }

  tombstone(db: number, _lsn: number, key: Buffer, keyStart: number, keyEnd: number): void {
    this.#keyspace.forgetLookUp()
    const ref = this.#keyspace.find(db, key, keyStart, keyEnd)
    if (ref !== 0) this.#remove(ref)
  }

  collection(collectionId: number, _chunks: number, seed: number): void {
    const keyspace = this.#keyspace
    const ref = this.#awaiting.get(collectionId)
    if (ref === undefined) return
    this.#awaiting.delete(collectionId)
    const number = keyspace.nextCollectionNumber()
    const hash = new ChunkedHash(keyspace.values, number, collectionId, seed, chunkObserver(keyspace), this.#hashChunkBytes)
    keyspace.collections[number] = hash
    keyspace.entries.setTypeAndEncoding(ref, keyspace.entries.type(ref), chunkedHash)
    keyspace.entries.setResident(ref, number, keyspace.access.initial())
    this.#hashes.set(collectionId, hash)
    this.#tier.chunksWereCold = true
  }

  chunk(collectionId: number, chunkNumber: number, valueId: number, lsn: number, count: number, bytes: number): void {
    this.#hashes.get(collectionId)?.restoreChunk(chunkNumber, valueId, lsn, count, bytes)
  }

  databases(lsn: number, physical: ArrayLike<number>, flushedLsns: ArrayLike<number>): void {
    const keyspace = this.#keyspace
    keyspace.logicalLsn = lsn
    for (let i = 0; i < physical.length; i++) {
      keyspace.logical[i] = physical[i]
      const database = keyspace.databases[i]
      if (flushedLsns[i] <= database.flushedLsn) continue
      database.flushedLsn = flushedLsns[i]
      const found: number[] = []
      let cursor = 0
      do {
        found.length = 0
        cursor = database.index.scan(cursor, 1024, (ref) => found.push(ref))
        for (const ref of found) this.#remove(ref)
      } while (cursor !== 0)
    }
  }

  freed(valueId: number): void {
    this.freedIds.push(valueId)
  }

  #isHash(ref: number, id: number): boolean {
    const { entries, collections } = this.#keyspace
    return entries.encoding(ref) === chunkedHash && collections[entries.value(ref)]?.id === id
  }

  #remove(ref: number): void {
    const { entries, collections } = this.#keyspace
    if (entries.encoding(ref) === chunkedHash) this.#hashes.delete(collections[entries.value(ref)]?.id ?? 0)
    this.#keyspace.remove(ref, 0)
  }

  #putInline(ref: number, inline: Buffer, start: number, end: number): void {
    const keyspace = this.#keyspace
    const { entries, values } = keyspace
    const value = keyspace.makeValue(ref, end - start)
    inline.copy(values.bytes(value), values.start(value), start, end)
    entries.setFlag(ref, valueDirtyFlag)
  }
}
