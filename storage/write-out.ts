/**
 * Writes out what has changed: values to the cold store, and to the catalog where each key's value is. Both the
 * background cooling ahead of memory pressure and the checkpoint are this one thing, so nothing is written twice.
 *
 * It takes entries from the list of dirty ones in order, copies each at one moment (bytes into a batch under a new value
 * id, metadata into the catalog), and writes the batch once the log has committed everything in it: nothing uncommitted
 * reaches the cold store. A value that has changed before its batch was written stays hot; its copy is stale. A large
 * collection is frozen at one moment and written at leisure (`FrozenTree`).
 *
 * It is the only writer of the catalog and of the cold store, and runs one step at a time.
 */
import type { Entries } from '../engine/keyspace/entries.ts'
import { catalogedFlag, dirtyFlag, stringType, valueDirtyFlag } from '../engine/keyspace/entries.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import { databaseCount } from '../engine/keyspace/keyspace.ts'
import { usedBytes } from '../engine/memory/packed-bytes.ts'
import type { FrozenPart, FrozenTree, FrozenVisitor } from '../engine/tree/frozen-tree.ts'
import type { Separator } from '../engine/tree/separator.ts'
import { CatalogEntry } from './catalog-entry.ts'
import { ENTRY_BEFORE_MOVE } from './catalog-format.ts'
import type { CatalogLag } from './catalog-lag.ts'
import type { Clock } from './clock.ts'
import type { ColdStore } from './cold-store.ts'
import type { CatalogSink } from './no-catalog.ts'
import { deleteValues, ValueIds } from './pieced-values.ts'
import type { RefQueue } from './ref-queue.ts'
import type { Sizes } from './sizes.ts'
import { defaultSizes } from './sizes.ts'
import type { Tier } from './tier.ts'
import type { ValueCodec } from './value-codec.ts'
import { LARGE_VALUE_BYTES } from './value-codec.ts'
import { wholeRecords } from './whole-records.ts'
import { WriteBatch } from './write-batch.ts'

/** How long one stretch of copying may hold the event loop. */
const sliceMs = 1
/** Longer values go to the cold store however soon they expire. */
const soonGoneBytesMax = 4096
/** No leaf has it. */
const outdatedLsn = -1

export interface WriteOutCounts {
  values: number
  valueBytes: number
  storedBytes: number
  batches: number
  /** Values that had changed before their copy was written. */
  outdated: number
}

export class WriteOut implements FrozenVisitor {
  readonly counts: WriteOutCounts = { values: 0, valueBytes: 0, storedBytes: 0, batches: 0, outdated: 0 }
  catalog: CatalogSink
  readonly #keyspace: Keyspace
  readonly #entries: Entries
  readonly #tier: Tier
  readonly #lag: CatalogLag
  readonly #store: ColdStore
  readonly #codec: ValueCodec
  readonly #clock: Clock
  readonly #committed: (lsn: number) => Promise<void>
  readonly #sizes: Sizes
  readonly #ids: ValueIds
  readonly #space: Buffer
  /** The row that is being recorded. */
  readonly #row = new CatalogEntry()
  #inFlightBytes = 0
  /** Values of keys that were recorded because they were about to move, to be written before the checkpoint ends. */
  #beforeMoves: WriteBatch | undefined
  /** Trees of which the last leaves are in the batch in hand. */
  #finished: FrozenTree[] = []
  /** The batch and the tree that are being collected. */
  #batch!: WriteBatch
  #tree!: FrozenTree

  constructor(options: {
    keyspace: Keyspace
    tier: Tier
    store: ColdStore
    codec: ValueCodec
    clock: Clock
    catalog: CatalogSink
    nextValueId: number
    /** Resolves when the log has committed an LSN; rejects when it never will. */
    committed: (lsn: number) => Promise<void>
    sizes?: Sizes
  }) {
    this.#keyspace = options.keyspace
    this.#entries = options.keyspace.entries
    this.#tier = options.tier
    this.#lag = options.tier.lag
    this.#store = options.store
    this.#codec = options.codec
    this.#clock = options.clock
    this.catalog = options.catalog
    this.#committed = options.committed
    this.#sizes = options.sizes ?? defaultSizes
    this.#ids = new ValueIds(options.nextValueId, this.#sizes.coldPieceBytes)
    this.#space = Buffer.allocUnsafeSlow(this.#sizes.batchBytes + LARGE_VALUE_BYTES)
    this.#lag.recordBeforeMove = (entry, isMidRecord) => this.#recordBeforeMove(entry, isMidRecord)
  }

  /** No value in the cold store has this id or a higher one. */
  get nextValueId(): number {
    return this.#ids.next
  }

  /** Bytes on their way to the cold store. */
  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  get memoryBytes(): number {
    return this.#space.length + this.#inFlightBytes + (this.#beforeMoves?.bytes ?? 0) + this.catalog.pendingBytes
  }

  /** Whether something that was begun waits for the next step: values that moved, trees that are written in part. */
  get isUnderWay(): boolean {
    return this.#beforeMoves !== undefined || this.#lag.frozen.length > 0
  }

  /**
   * Writes one batch: what is under way, then the head of `queue`, or of one that is not empty. `left` bounds how many entries are looked
   * at; returns how many were. Rejects when a disk fails; nothing is lost then.
   */
  async step(left: number, queue = this.#lag.dirty.length > 0 ? this.#lag.dirty : this.#lag.relocatedDirty): Promise<number> {
    const moved = this.#beforeMoves
    this.#beforeMoves = undefined
    if (moved !== undefined && moved.count > 0) await this.#write(moved)
    const batch = new WriteBatch(this.#keyspace, this.#codec, this.#ids, this.#space)
    const looked = await this.#collect(batch, left, queue)
    await this.#write(batch)
    if (this.catalog.pendingBytes > this.#sizes.batchBytes) await this.catalog.flush()
    return looked
  }

  /** Deletes the stale values at once: for a server without checkpoints, which nothing can make need them. */
  async deleteStaleValues(): Promise<void> {
    const { staleIds } = this.#tier
    while (staleIds.length > 0) {
      const deletes = staleIds.last(this.#sizes.deletesPerBatch)
      staleIds.drop(deletes.length)
      await deleteValues(this.#store, deletes, this.#sizes.deletesPerBatch)
    }
  }

  /**
   * Records in the catalog what is due besides changed entries: which databases were flushed or swapped, which keys deleted. While a
   * checkpoint is under way that is only what it must not miss.
   */
  recordDeletions(): void {
    const lag = this.#lag
    if (lag.databasesChanged && !lag.isCheckpointing) {
      lag.databasesChanged = false
      this.recordDatabases()
    }
    lag.tombstones.drain(this.catalog)
  }

  /** Does so for most deletions if they are many, a part of them a turn. When it resolves all that is in memory belongs to complete records. */
  async recordManyDeletions(): Promise<void> {
    const { tombstones } = this.#lag
    await wholeRecords(this.#keyspace, this.#clock)
    for (let left = tombstones.parts; tombstones.parts > 1; ) {
      // What has come meanwhile goes as well, or there would be no end to it.
      tombstones.drain(this.catalog, 1 + Math.max(0, tombstones.parts - left))
      left = tombstones.parts
      await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
      await wholeRecords(this.#keyspace, this.#clock)
    }
  }

  recordDatabases(): void {
    const { logical, logicalLsn, databases } = this.#keyspace
    const flushedLsns = Array.from({ length: databaseCount }, (_, i) => databases[i].flushedLsn)
    this.catalog.databases(logicalLsn, logical, flushedLsns)
  }

  /** Records an entry in a catalog that is begun anew. Dirty entries are left out, because they are recorded anyway; of a tree all leaves are recorded. */
  recordAgain(ref: number): void {
    const entries = this.#entries
    if (!entries.isLive(ref)) return
    if (entries.isTree(ref)) this.#takeTree(ref, 'all', 0)
    else if (!entries.flag(ref, dirtyFlag)) this.#recordEntry(ref, this.#storedId(ref))
  }

  /** Gives up the trees that are written in part: they are to be written again. */
  abandonTrees(): void {
    for (const tree of this.#lag.frozen.splice(0)) this.#abandon(tree)
  }

  removed(separator: Separator): void {
    this.catalog.leaf(this.#tree.id, separator.words, 0, 0, 0, 0)
  }

  leaf(separator: Separator, ref: number, lsn: number, count: number, bytes: number, isOutdated: boolean): void {
    const id = this.#batch.addLeaf(this.#tree, separator, isOutdated ? outdatedLsn : lsn, ref, bytes)
    this.#count(bytes)
    this.catalog.leaf(this.#tree.id, separator.words, id, lsn, count, bytes)
  }

  stored(separator: Separator, valueId: number, lsn: number, count: number, bytes: number): void {
    this.catalog.leaf(this.#tree.id, separator.words, valueId, lsn, count, bytes)
  }

  async #collect(batch: WriteBatch, left: number, queue: RefQueue): Promise<number> {
    const { frozen } = this.#lag
    let looked = 0
    await this.recordManyDeletions()
    let until = this.#clock.monotonicMs() + sliceMs
    this.recordDeletions()
    for (let steps = 1; batch.bytes < this.#sizes.batchBytes && batch.count < this.#sizes.batchEntries; steps++) {
      if (frozen.length > 0) this.#advance(frozen[0] as FrozenTree, batch)
      else {
        const ref = looked < left ? queue.shift() : 0
        if (ref === 0) break
        this.#take(ref, batch)
        looked++
      }
      if ((steps & 15) !== 0 || this.#clock.monotonicMs() < until) continue
      await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
      await wholeRecords(this.#keyspace, this.#clock)
      until = this.#clock.monotonicMs() + sliceMs
      this.recordDeletions()
    }
    return looked
  }

  /** Takes something of a tree that is written in part. */
  #advance(tree: FrozenTree, batch: WriteBatch): void {
    this.#tree = tree
    this.#batch = batch
    if (tree.lsn > batch.lsn) batch.lsn = tree.lsn
    if (tree.step(this)) return
    this.#lag.frozen.shift()
    this.#finished.push(tree)
  }

  /**
   * The value of an entry that the checkpoint under way is yet to write is about to go to another key. It is recorded under its present key,
   * as it is: the move is then as new to all that the checkpoint shows as any other move that came after its beginning.
   */
  #recordBeforeMove(ref: number, isMidRecord: boolean): void {
    // It waits while others are written: its values get memory of their own.
    this.#beforeMoves ??= new WriteBatch(this.#keyspace, this.#codec, this.#ids, undefined)
    this.recordDeletions()
    this.#take(ref, this.#beforeMoves, isMidRecord ? ENTRY_BEFORE_MOVE : 0)
  }

  #take(ref: number, batch: WriteBatch, flags = 0): void {
    const entries = this.#entries
    // What became dirty during a checkpoint is further back in the queue: its slot was another entry's.
    if (!entries.isLive(ref) || !this.#lag.isDue(ref)) return
    const lsn = entries.lsn(ref)
    if (this.#keyspace.isDetached(ref)) {
      this.#lag.skipFlushed(ref)
      return
    }
    if (lsn > batch.lsn) batch.lsn = lsn
    if (entries.isTree(ref)) {
      this.#takeTree(ref, 'dirty', flags)
      return
    }
    const hasCopy = !entries.isResident(ref) || !entries.flag(ref, valueDirtyFlag)
    if (hasCopy || !this.#tier.isMovable(entries.value(ref)) || this.#leavesSoon(ref)) {
      this.#recordEntry(ref, this.#storedId(ref), flags)
      return
    }
    const length = this.#valueLength(ref)
    this.#count(length)
    this.#recordEntry(ref, batch.addValue(ref, lsn, entries.value(ref), length), flags)
  }

  /** Freezes a tree as it is now; its leaves follow. */
  #takeTree(ref: number, part: FrozenPart, flags: number): void {
    const { trees } = this.#keyspace
    const root = this.#entries.value(ref)
    const id = trees.roots.id(root)
    this.#recordEntry(ref, id, flags)
    this.catalog.collection(id, trees.roots.leaves(root), trees.roots.seed(root))
    this.#lag.frozen.push(trees.frozen.freeze(root, this.#entries.lsn(ref), part, (flags & ENTRY_BEFORE_MOVE) !== 0))
  }

  #count(bytes: number): void {
    this.counts.values++
    this.counts.valueBytes += bytes
  }

  /** Whether the key expires so soon that its value is not worth a place in the cold store: it goes with the row. */
  #leavesSoon(ref: number): boolean {
    const expireAt = this.#entries.expireAt(ref)
    if (expireAt === 0 || expireAt - this.#clock.wallMs() >= this.#tier.settings.ttlMinMs) return false
    return this.#valueLength(ref) <= soonGoneBytesMax
  }

  /** Length of the bytes of a resident value in one piece: a string's, or those that a collection says it has. */
  #valueLength(ref: number): number {
    const entries = this.#entries
    if (entries.type(ref) === stringType) return entries.length(ref)
    const { values } = this.#keyspace
    const value = entries.value(ref)
    return usedBytes(values.bytes(value), values.start(value))
  }

  /** Id of the stored copy, 0 when there is none. */
  #storedId(ref: number): number {
    const entries = this.#entries
    return entries.isResident(ref) ? this.#keyspace.values.id(entries.value(ref)) : entries.valueId(ref)
  }

  /** Records an entry in the catalog; with id 0 the value goes with it. */
  #recordEntry(ref: number, id: number, flags = 0): void {
    const entries = this.#entries
    const row = this.#row
    const keyStart = entries.keyStart(ref)
    row.db = entries.db(ref)
    row.type = entries.type(ref)
    row.encoding = entries.encoding(ref)
    row.flags = flags
    row.lsn = entries.lsn(ref)
    row.expireAt = entries.expireAt(ref)
    row.fieldsDue = this.#keyspace.expiring.fieldsDue(ref)
    row.length = entries.length(ref)
    row.valueId = id
    row.setKey(this.#keyspace.arena.bytes(ref), keyStart, keyStart + entries.keyLength(ref))
    if (id === 0) {
      const { values } = this.#keyspace
      const value = entries.value(ref)
      const start = values.start(value)
      row.setInline(values.bytes(value), start, start + this.#valueLength(ref))
    } else row.clearInline()
    this.catalog.entry(row)
    entries.clearFlag(ref, dirtyFlag)
    entries.setFlag(ref, catalogedFlag)
  }

  async #write(batch: WriteBatch): Promise<void> {
    this.#inFlightBytes += batch.bytes
    try {
      if (batch.count > 0) {
        await this.#committed(batch.lsn)
        this.counts.storedBytes += await batch.write(this.#store, this.#sizes.coldPieceBytes)
        this.counts.batches++
      }
      this.#written(batch)
    } catch (failure) {
      this.#notWritten(batch)
      throw failure
    } finally {
      this.#inFlightBytes -= batch.bytes
    }
  }

  #written(batch: WriteBatch): void {
    const entries = this.#entries
    const { values, trees } = this.#keyspace
    for (const { entry, lsn, id } of batch.values) {
      // Another entry may lie there now, even one with the same LSN; but then it is dirty, as is whatever has changed or moved.
      const isUnchanged = entries.isLive(entry) && !entries.flag(entry, dirtyFlag) && entries.lsn(entry) === lsn
      if (isUnchanged && entries.isResident(entry) && entries.flag(entry, valueDirtyFlag)) {
        values.setId(entries.value(entry), id)
        entries.clearFlag(entry, valueDirtyFlag)
      } else {
        this.counts.outdated++
        this.#tier.stale(id)
      }
    }
    for (const { tree, separator, lsn, id } of batch.leaves) {
      if (tree.root !== 0 && trees.stored(tree.root, separator, lsn, id)) continue
      this.counts.outdated++
      this.#tier.stale(id)
    }
    for (const tree of this.#finished) trees.frozen.thaw(tree)
    this.#finished = []
  }

  /** The catalog holds ids of values that are not there: all of those entries must be recorded again before the next marker. */
  #notWritten(batch: WriteBatch): void {
    const entries = this.#entries
    // Of a value in pieces some may have been written.
    for (const piece of batch.pieceIds) this.#tier.stale(piece)
    for (const { entry } of batch.values) if (entries.isLive(entry)) this.#keyspace.markDirty(entry)
    const trees = new Set([...this.#finished, ...batch.leaves.map(({ tree }) => tree)])
    this.#finished = []
    for (const tree of trees) {
      const at = this.#lag.frozen.indexOf(tree)
      if (at >= 0) this.#lag.frozen.splice(at, 1)
      this.#abandon(tree)
    }
  }

  #abandon(tree: FrozenTree): void {
    const { trees } = this.#keyspace
    const owner = tree.root === 0 ? 0 : trees.roots.owner(tree.root)
    trees.frozen.thaw(tree)
    if (owner !== 0) this.#keyspace.markDirty(owner)
  }
}
