/**
 * Writes out what has changed: values to the cold store, and to the catalog where each key's value is. Both the
 * background cooling ahead of memory pressure and the checkpoint are this one thing, so nothing is written twice.
 *
 * It takes entries from the tier's dirty list in order, copies each at one moment (bytes into a batch under a new value
 * id, metadata into the catalog), and writes the batch once the log has committed everything in it: nothing uncommitted
 * reaches the cold store. A value that has changed before its batch was written stays hot; its copy is stale.
 *
 * It is the only writer of the catalog and of the cold store, and runs one step at a time.
 */
import type { Entries } from '../engine/keyspace/entries.ts'
import { catalogedFlag, chunkedHash, dirtyFlag, packedHash, stringType, valueDirtyFlag } from '../engine/keyspace/entries.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import { databaseCount } from '../engine/keyspace/keyspace.ts'
import type { ChunkedHash } from '../engine/types/chunked-hash.ts'
import { usedBytes } from '../engine/types/packed-fields.ts'
import { ENTRY_BEFORE_MOVE } from './catalog-format.ts'
import type { Clock } from './clock.ts'
import type { ColdPut, ColdStore } from './cold-store.ts'
import type { CatalogSink } from './no-catalog.ts'
import { deleteValues, ValueIds, writePieces } from './pieced-values.ts'
import type { RefQueue } from './ref-queue.ts'
import type { Sizes } from './sizes.ts'
import { defaultSizes } from './sizes.ts'
import type { Tier } from './tier.ts'
import type { ValueCodec } from './value-codec.ts'
import { LARGE_VALUE_BYTES } from './value-codec.ts'

/** How long one stretch of copying may hold the event loop. */
const sliceMs = 1
/** Rounds beyond one per chunk after which a hash that is changed faster than it is written is copied all the same. */
const partialRoundsMax = 16
/** Longer values go to the cold store however soon they expire. */
const soonGoneBytesMax = 4096
const nothing = Buffer.alloc(0)

export interface WriteOutCounts {
  values: number
  valueBytes: number
  storedBytes: number
  batches: number
  /** Values that had changed before their copy was written. */
  outdated: number
}

/** A batch and what is to be noted when it has been written. */
interface Batch {
  readonly puts: ColdPut[]
  readonly large: Promise<ColdPut>[]
  readonly pieced: { readonly id: number; readonly bytes: Buffer; readonly start: number; readonly end: number }[]
  /** Per value: entry, LSN, id. */
  readonly entries: number[]
  readonly chunks: {
    readonly entry: number
    readonly hash: ChunkedHash
    readonly firstHash: number
    readonly lsn: number
    readonly id: number
    readonly told: boolean
  }[]
  bytes: number
  count: number
  lsn: number
}

function newBatch(): Batch {
  return { puts: [], large: [], pieced: [], entries: [], chunks: [], bytes: 0, count: 0, lsn: 0 }
}

export class WriteOut {
  readonly counts: WriteOutCounts = { values: 0, valueBytes: 0, storedBytes: 0, batches: 0, outdated: 0 }
  catalog: CatalogSink
  readonly #keyspace: Keyspace
  readonly #entries: Entries
  readonly #tier: Tier
  readonly #store: ColdStore
  readonly #codec: ValueCodec
  readonly #clock: Clock
  readonly #committed: (lsn: number) => Promise<void>
  readonly #sizes: Sizes
  readonly #ids: ValueIds
  readonly #space: Buffer
  #inFlightBytes = 0
  /** Values of keys that a checkpoint told of because they were about to move, to be written before it ends. */
  #beforeMoves: Batch | undefined
  /** Batches that chunks of `Tier.partlyWritten` have gone into. */
  #partialRounds = 0

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
    this.#store = options.store
    this.#codec = options.codec
    this.#clock = options.clock
    this.catalog = options.catalog
    this.#committed = options.committed
    this.#sizes = options.sizes ?? defaultSizes
    this.#ids = new ValueIds(options.nextValueId, this.#sizes.coldPieceBytes)
    this.#space = Buffer.allocUnsafeSlow(this.#sizes.batchBytes + LARGE_VALUE_BYTES)
    this.#tier.tellBeforeMove = (entry, isMidRecord) => this.#tellBeforeMove(entry, isMidRecord)
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

  /** Whether values that moved wait for the next step. */
  get hasMoved(): boolean {
    return this.#beforeMoves !== undefined
  }

  /** Writes one batch from `Tier.partlyWritten`, then the head of `queue`, or of one that is not empty. `left` bounds how many entries are looked at; returns how many were. Rejects when a disk fails; nothing is lost then. */
  async step(left: number, queue = this.#tier.dirty.length > 0 ? this.#tier.dirty : this.#tier.dirtyMovers): Promise<number> {
    const moved = this.#beforeMoves
    this.#beforeMoves = undefined
    if (moved !== undefined && moved.count > 0) await this.#write(moved)
    const batch = newBatch()
    const looked = await this.#collect(batch, left, queue)
    if (batch.count > 0) await this.#write(batch)
    if (this.catalog.pendingBytes > this.#sizes.batchBytes) await this.catalog.flush()
    return looked
  }

  /** Deletes the stale values at once: for a server without checkpoints, which nothing can make need them. */
  async deleteStales(): Promise<void> {
    const { stales } = this.#tier
    while (stales.length > 0) {
      const deletes = stales.last(this.#sizes.deletesPerBatch)
      stales.drop(deletes.length)
      await deleteValues(this.#store, deletes, this.#sizes.deletesPerBatch)
    }
  }

  /**
   * Tells the catalog what is due besides changed entries: which databases were flushed or swapped, which keys deleted. While a checkpoint
   * is under way that is only what it must not miss.
   */
  tellDeletions(): void {
    const tier = this.#tier
    if (tier.databasesChanged && !tier.isCheckpointing) {
      tier.databasesChanged = false
      this.tellDatabases()
    }
    tier.tombstones.drain(this.catalog)
  }

  tellDatabases(): void {
    const { logical, logicalLsn, databases } = this.#keyspace
    const flushedLsns = Array.from({ length: databaseCount }, (_, i) => databases[i].flushedLsn)
    this.catalog.databases(logicalLsn, logical, flushedLsns)
  }

  /** Tells the catalog of an entry that it knows already or that has nothing unwritten: for a new generation. */
  retell(ref: number): void {
    const entries = this.#entries
    if (!entries.isLive(ref)) return
    const isDirty = entries.flag(ref, dirtyFlag)
    if (entries.encoding(ref) === chunkedHash) {
      // Of a hash that is dirty only what has changed will be told: the rest must be told here.
      this.#retellChunks(ref)
      if (isDirty) entries.setFlag(ref, dirtyFlag)
    } else if (!isDirty) this.#tellEntry(ref, this.#storedId(ref))
  }

  async #collect(batch: Batch, left: number, queue: RefQueue): Promise<number> {
    const tier = this.#tier
    let looked = 0
    let until = this.#clock.monotonicMs() + sliceMs
    this.tellDeletions()
    while (looked < left && batch.bytes < this.#sizes.batchBytes && batch.count < this.#sizes.batchEntries) {
      const ref = tier.partlyWritten !== 0 ? tier.partlyWritten : queue.shift()
      if (ref === 0) break
      tier.partlyWritten = 0
      this.#take(ref, batch)
      if (tier.partlyWritten === 0) {
        looked++
        this.#partialRounds = 0
      }
      if ((looked & 15) !== 0 || this.#clock.monotonicMs() < until) continue
      await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
      until = this.#clock.monotonicMs() + sliceMs
      this.tellDeletions()
    }
    return looked
  }

  /**
   * The value of an entry that the checkpoint under way is yet to write is about to move to another key. It is told under its present key,
   * as it is: the move is then as new to all that the checkpoint shows as any other move that came after its beginning.
   */
  #tellBeforeMove(ref: number, isMidRecord: boolean): void {
    this.#beforeMoves ??= newBatch()
    this.tellDeletions()
    this.#take(ref, this.#beforeMoves, isMidRecord ? ENTRY_BEFORE_MOVE : 0)
  }

  #take(ref: number, batch: Batch, flags = 0): void {
    const entries = this.#entries
    // What became dirty during a checkpoint is further back in the queue: its slot was another entry's.
    if (!entries.isLive(ref) || !this.#tier.isDue(ref)) return
    const lsn = entries.lsn(ref)
    if (this.#keyspace.isDetached(ref)) {
      this.#tier.gone(ref)
      return
    }
    if (lsn > batch.lsn) batch.lsn = lsn
    if (entries.encoding(ref) === chunkedHash) {
      this.#takeChunks(ref, batch, flags)
      return
    }
    const hasCopy = !entries.isResident(ref) || !entries.flag(ref, valueDirtyFlag)
    if (hasCopy || !this.#tier.isMovable(entries.value(ref)) || this.#leavesSoon(ref)) {
      this.#tellEntry(ref, this.#storedId(ref), flags)
      return
    }
    const value = entries.value(ref)
    const { values } = this.#keyspace
    const length = this.#valueLength(ref)
    const id = this.#ids.take(length)
    this.#put(batch, id, value, values.start(value), values.start(value) + length)
    batch.entries.push(ref, lsn, id)
    this.#tellEntry(ref, id, flags)
  }

  /** Writes dirty chunks, a batch at a time; with the last of them the hash is told to the catalog as it is at that moment. */
  #takeChunks(ref: number, batch: Batch, flags: number): void {
    const entries = this.#entries
    const { values } = this.#keyspace
    const hash = this.#keyspace.collections[entries.value(ref)] as ChunkedHash
    const { chunksAtOnce, chunksPerRound } = this.#sizes
    const takeAll =
      batch === this.#beforeMoves ||
      hash.dirtyChunks <= chunksAtOnce ||
      this.#partialRounds > partialRoundsMax + hash.chunkCount / chunksPerRound
    const known = new Map<number, number>()
    hash.eachDirty((firstHash, value, lsn) => {
      const start = values.start(value)
      const length = usedBytes(values.bytes(value), start)
      const id = this.#ids.take(length)
      this.#put(batch, id, value, start, start + length)
      if (lsn > batch.lsn) batch.lsn = lsn
      batch.chunks.push({ entry: ref, hash, firstHash, lsn, id, told: takeAll })
      known.set(firstHash, id)
      return takeAll || known.size < chunksPerRound ? undefined : false
    })
    if (!takeAll) {
      this.#tier.partlyWritten = ref
      this.#partialRounds++
      return
    }
    this.#tellEntry(ref, hash.id, flags)
    this.catalog.collection(hash.id, hash.chunkCount, hash.seed)
    hash.eachCatalogDirty((firstHash, id, lsn, count, bytes) => this.catalog.chunk(hash.id, firstHash, id, lsn, count, bytes))
    hash.eachDirty((firstHash, _value, lsn, count, bytes) => {
      this.catalog.chunk(hash.id, firstHash, known.get(firstHash) as number, lsn, count, bytes)
      return undefined
    })
    hash.clearCatalogDirty()
  }

  #retellChunks(ref: number): void {
    const hash = this.#keyspace.collections[this.#entries.value(ref)] as ChunkedHash
    this.#tellEntry(ref, hash.id)
    this.catalog.collection(hash.id, hash.chunkCount, hash.seed)
    hash.eachRow((firstHash, id, lsn, count, bytes) => this.catalog.chunk(hash.id, firstHash, id, lsn, count, bytes))
  }

  #put(batch: Batch, id: number, value: number, start: number, end: number): void {
    const { values } = this.#keyspace
    const bytes = values.bytes(value)
    const length = end - start
    this.counts.values++
    this.counts.valueBytes += length
    if (this.#ids.isPieced(length)) {
      values.share(value)
      // A slot's memory may hold something else by the time its turn comes.
      const lasting = this.#keyspace.arena.isLarge(value)
      if (lasting) batch.pieced.push({ id, bytes, start, end })
      else batch.pieced.push({ id, bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: length })
    } else if (length > LARGE_VALUE_BYTES) {
      // The bytes are read while the server goes on: a change must make a copy.
      values.share(value)
      batch.large.push(this.#codec.encodeLarge(bytes, start, end).then((stored) => ({ id, bytes: stored })))
    } else {
      // A batch that waits while others are written has memory of its own.
      const isKept = batch === this.#beforeMoves
      const stored = isKept ? this.#codec.encode(bytes, start, end) : this.#codec.encode(bytes, start, end, this.#space, batch.bytes)
      batch.puts.push({ id, bytes: stored })
    }
    batch.bytes += length + 16
    batch.count++
  }

  /** Whether the key expires so soon that its value is not worth a place in the cold store: it goes with the row. */
  #leavesSoon(ref: number): boolean {
    const expireAt = this.#entries.expireAt(ref)
    if (expireAt === 0 || expireAt - this.#clock.wallMs() >= this.#tier.settings.ttlMinMs) return false
    return this.#valueLength(ref) <= soonGoneBytesMax
  }

  /** Length of the bytes that would be stored. */
  #valueLength(ref: number): number {
    const entries = this.#entries
    if (entries.type(ref) === stringType) return entries.length(ref)
    const value = entries.value(ref)
    return entries.encoding(ref) === packedHash && entries.isResident(ref)
      ? usedBytes(this.#keyspace.values.bytes(value), this.#keyspace.values.start(value))
      : entries.length(ref)
  }

  /** Id of the stored copy, 0 when there is none. */
  #storedId(ref: number): number {
    const entries = this.#entries
    return entries.isResident(ref) ? this.#keyspace.values.id(entries.value(ref)) : entries.valueId(ref)
  }

  /** Writes an entry's row; with id 0 the value goes with it. */
  #tellEntry(ref: number, id: number, flags = 0): void {
    const entries = this.#entries
    const { arena, values } = this.#keyspace
    const keyStart = entries.keyStart(ref)
    let inline: Buffer = nothing
    let inlineStart = 0
    let inlineEnd = 0
    if (id === 0) {
      const value = entries.value(ref)
      inline = values.bytes(value)
      inlineStart = values.start(value)
      inlineEnd = inlineStart + this.#valueLength(ref)
    }
    this.catalog.entry(
      entries.db(ref),
      entries.type(ref),
      entries.encoding(ref),
      flags,
      entries.lsn(ref),
      entries.expireAt(ref),
      entries.length(ref),
      id,
      arena.bytes(ref),
      keyStart,
      keyStart + entries.keyLength(ref),
      inline,
      inlineStart,
      inlineEnd,
    )
    entries.clearFlag(ref, dirtyFlag)
    entries.setFlag(ref, catalogedFlag)
  }

  async #write(batch: Batch): Promise<void> {
    this.#inFlightBytes += batch.bytes
    try {
      const large = await Promise.all(batch.large)
      await this.#committed(batch.lsn)
      const heads: ColdPut[] = []
      for (const { id, bytes, start, end } of batch.pieced) {
        heads.push(await writePieces(this.#store, this.#codec, id, bytes, start, end, this.#sizes.coldPieceBytes))
        this.counts.storedBytes += end - start
      }
      const puts = large.length + heads.length === 0 ? batch.puts : [...batch.puts, ...large, ...heads]
      await this.#store.write({ puts, deletes: [] })
      this.counts.batches++
      for (const put of puts) this.counts.storedBytes += put.bytes.length
      this.#written(batch)
    } catch (failure) {
      this.#notWritten(batch)
      throw failure
    } finally {
      this.#inFlightBytes -= batch.bytes
    }
  }

  #written(batch: Batch): void {
    const entries = this.#entries
    const { values } = this.#keyspace
    for (let i = 0; i < batch.entries.length; i += 3) {
      const ref = batch.entries[i]
      const id = batch.entries[i + 2]
      // Another entry may lie there now, even one with the same LSN; but then it is dirty, as is whatever has changed or moved.
      const isUnchanged = entries.isLive(ref) && !entries.flag(ref, dirtyFlag) && entries.lsn(ref) === batch.entries[i + 1]
      if (isUnchanged && entries.isResident(ref) && entries.flag(ref, valueDirtyFlag)) {
        values.setId(entries.value(ref), id)
        entries.clearFlag(ref, valueDirtyFlag)
      } else {
        this.counts.outdated++
        this.#tier.stale(id)
      }
    }
    for (const { hash, firstHash, lsn, id, told } of batch.chunks) {
      if (hash.stored(firstHash, lsn, id, told)) continue
      this.counts.outdated++
      this.#tier.stale(id)
    }
  }

  /** The catalog was told of values that are not there: all of them must be told again before the next marker. */
  #notWritten(batch: Batch): void {
    const entries = this.#entries
    // Of a value in pieces some may have been written.
    for (const { id, start, end } of batch.pieced) for (const piece of this.#ids.piecesOf(id, end - start)) this.#tier.stale(piece)
    for (let i = 0; i < batch.entries.length; i += 3) {
      const ref = batch.entries[i]
      if (entries.isLive(ref)) this.#keyspace.markDirty(ref)
    }
    for (const { entry } of batch.chunks) {
      if (entries.isLive(entry)) this.#keyspace.markDirty(entry)
    }
  }
}
