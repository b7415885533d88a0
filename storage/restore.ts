/**
 * Rebuilds the keyspace from a catalog: every key's metadata, small values with it, all others cold. Values are not
 * read. What the log holds beyond the catalog's marker is replayed afterwards.
 */
import type { TypeNumber } from '../engine/keyspace/entries.ts'
import { beforeMoveFlag, catalogedFlag, dirtyFlag, ownIntegerFlag, treeForm, valueDirtyFlag } from '../engine/keyspace/entries.ts'
import type { KeyIndex } from '../engine/keyspace/key-index.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import { Separator } from '../engine/tree/separator.ts'
import type { CatalogEntry } from './catalog-entry.ts'
import type { CatalogVisitor } from './catalog-format.ts'
import { ENTRY_BEFORE_MOVE } from './catalog-format.ts'
import { IdList } from './id-list.ts'
import type { Tier } from './tier.ts'

/** Entries and rows that a step of `finish` goes over. */
const perStep = 1024

export class KeyspaceRestore implements CatalogVisitor {
  readonly #keyspace: Keyspace
  readonly #isMovable: (value: number) => boolean
  /**
   * Root blocks of large collections by their id in the catalog. Only the last row shows what they belong to: a collection keeps its id
   * when it goes to another key.
   */
  readonly #roots = new Map<number, number>()
  /** Entries whose row named a collection. Until the end they hold its id in place of a value. */
  readonly #owners: number[] = []
  readonly #separator = new Separator()
  /** Ids that were to be deleted from the cold store, and perhaps were not. */
  readonly freedIds = new IdList()

  /** Entries that came with a value which is worth moving: some are replaced or deleted by later rows. */
  readonly #movable: number[] = []

  /** Entries to come, and the index that was made for that many. */
  readonly #entries: number
  #reserved: KeyIndex | undefined
  /** The hash that was prefetched last. */
  #prefetched = 0
  /** Depends on what was prefetched, so that the compiler does not leave the reads out. */
  #seen = 0

  /**
   * While it runs, the keyspace must have no observer. `isMovable` says whether a value is worth moving to the cold store. About `entries` are
   * to come.
   */
  constructor(keyspace: Keyspace, isMovable: (value: number) => boolean, entries: number) {
    this.#keyspace = keyspace
    this.#isMovable = isMovable
    this.#entries = entries
  }

  hashOf(bytes: Buffer, start: number, end: number): number {
    return this.#keyspace.hashOfKey(bytes, start, end)
  }

  prefetch(db: number, hash: number): void {
    const { index } = this.#keyspace.databases[db]
    // Nearly always one database holds nearly all keys.
    if (this.#reserved === undefined) {
      index.reserve(this.#entries)
      this.#reserved = index
    }
    this.#seen ^= index.prefetch(this.#prefetched, hash)
    this.#prefetched = hash
  }

  entry(row: CatalogEntry): void {
    const keyspace = this.#keyspace
    const { db, encoding, expireAt, fieldsDue, valueId, hash, key, keyStart, keyEnd } = row
    const type = row.type as TypeNumber
    const former = keyspace.findHashed(db, hash < 0 ? keyspace.hashOfKey(key, keyStart, keyEnd) : hash, key, keyStart, keyEnd)
    if (former !== 0) keyspace.remove(former, 0)
    const ref = keyspace.insert(db, type, key, keyStart, keyEnd, expireAt !== 0 || fieldsDue !== 0)
    this.#fill(ref, row)
    if (valueId === 0) this.#putInline(ref, row)
    else if (encoding !== treeForm) keyspace.coldCount++
    if (expireAt === 0 && fieldsDue === 0 && encoding !== treeForm && valueId !== 0) return
    const placed = keyspace.expiring.setFieldsDue(keyspace.expiring.setExpireAt(ref, expireAt), fieldsDue)
    if (encoding === treeForm) this.#owners.push(placed)
    if (valueId === 0 && this.#isMovable(keyspace.entries.value(placed))) this.#movable.push(placed)
  }

  /** All that the row says of the entry itself; its value is cold. */
  #fill(ref: number, { type, encoding, flags, lsn, length, valueId }: CatalogEntry): void {
    let flagged = this.#keyspace.sharesIntegers ? catalogedFlag : catalogedFlag | ownIntegerFlag
    if ((flags & ENTRY_BEFORE_MOVE) !== 0) flagged |= beforeMoveFlag
    this.#keyspace.entries.fillCold(ref, type as TypeNumber, encoding, length, lsn, valueId, flagged)
  }

  /**
   * After the last row: gives back what of the index was made in vain, gives each collection to the entry that has it, and tells the tier of
   * the values that it may move after all, because their keys were to expire soon when they were recorded, or because the setting has changed.
   */
  finish(tier: Tier): void {
    for (const finishing = this.finishing(tier); finishing.next().done !== true; );
  }

  /** As `finish`, which it is when it has ended, in steps of a fraction of a millisecond. */
  *finishing(tier: Tier): Generator<void> {
    this.#reserved?.trim()
    yield* this.#giveTrees(tier)
    const { entries, values } = this.#keyspace
    for (const [i, ref] of this.#movable.entries()) {
      if (i % perStep === 0) yield
      if (!entries.isLive(ref) || entries.isTree(ref) || !entries.isResident(ref)) continue
      const value = entries.value(ref)
      if (value === 0 || values.id(value) !== 0 || values.queue(value) !== 0 || !this.#isMovable(value)) continue
      tier.resident(value)
      if (entries.flag(ref, dirtyFlag)) continue
      entries.setFlag(ref, dirtyFlag)
      tier.dirtied(ref)
    }
    this.#movable.length = 0
  }

  /** A key that is newer has come again: its former entry was released, and its deletion told, long after a flush. */
  tombstone(db: number, lsn: number, key: Buffer, keyStart: number, keyEnd: number): void {
    const keyspace = this.#keyspace
    keyspace.forgetLookUp()
    const ref = keyspace.find(db, key, keyStart, keyEnd)
    if (ref !== 0 && keyspace.entries.lsn(ref) <= lsn) keyspace.remove(ref, 0)
  }

  collection(collectionId: number, _leaves: number, seed: number): void {
    if (!this.#roots.has(collectionId)) this.#roots.set(collectionId, this.#keyspace.trees.createBare(0, collectionId, seed))
  }

  leaf(collectionId: number, separator: Uint32Array, valueId: number, lsn: number, count: number, bytes: number): void {
    const root = this.#roots.get(collectionId)
    if (root !== undefined) this.#keyspace.trees.restore(root, this.#separator.take(separator, 0), valueId, lsn, count, bytes)
  }

  *#giveTrees(tier: Tier): Generator<void> {
    const { entries, trees, access } = this.#keyspace
    for (const [i, ref] of this.#owners.entries()) {
      if (i % perStep === 0) yield
      if (!entries.isLive(ref) || !entries.isTree(ref) || entries.isResident(ref)) continue
      const id = entries.valueId(ref)
      const root = this.#roots.get(id)
      if (root === undefined) throw new Error(`catalog: collection ${id} is missing`)
      this.#roots.delete(id)
      this.#keyspace.giveTree(ref, root, access.initial())
      tier.leavesWereCold = true
    }
    for (const root of this.#roots.values()) {
      trees.removal.dropped(root)
      // Nothing of it is in memory: only rows go.
      while (!trees.removal.releaseSome(root, perStep)) yield
    }
    this.#owners.length = 0
    this.#roots.clear()
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
        for (const ref of found) keyspace.remove(ref, 0)
      } while (cursor !== 0)
    }
  }

  freed(valueId: number): void {
    this.freedIds.push(valueId)
  }

  #putInline(ref: number, { inline, inlineStart, inlineEnd }: CatalogEntry): void {
    const keyspace = this.#keyspace
    const { entries, values } = keyspace
    const value = keyspace.makeValue(ref, inlineEnd - inlineStart)
    inline.copy(values.bytes(value), values.start(value), inlineStart, inlineEnd)
    entries.setFlag(ref, valueDirtyFlag)
  }
}
