/**
 * A checkpoint makes the cold store and the catalog hold everything up to an LSN, durably, so that the log below it can
 * go. It is fuzzy: while it runs the server goes on, and keys are written as of different, later LSNs, which replay
 * recognises by each key's own LSN.
 *
 * Order, each step durable before the next: values in the cold store · the catalog's rows and its marker · the log
 * trimmed · values that the marker no longer refers to deleted. A crash between any two loses nothing.
 */
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { CatalogChecksum } from './catalog-format.ts'
import { CatalogWriter, removeOlderCatalogs } from './catalog-writer.ts'
import type { Clock } from './clock.ts'
import type { ColdStore } from './cold-store.ts'
import type { FileSystem } from './file-system.ts'
import { IdList } from './id-list.ts'
import { deleteValues } from './pieced-values.ts'
import type { Sizes } from './sizes.ts'
import { defaultSizes } from './sizes.ts'
import type { Tier } from './tier.ts'
import { wholeRecords } from './whole-records.ts'
import type { WriteOut } from './write-out.ts'

const entriesPerSlice = 256
const idsPerSlice = 16_384
/** A catalog with this many times as many records as there are keys is written anew. */
const recordsPerEntryMax = 2

/** What a checkpoint needs of the log. */
export interface CheckpointLog {
  readonly appended: number
  readonly id: Uint8Array
  committed(lsn: number): Promise<void>
  /** The running checksum of the records up to `appended`, told once they are committed; undefined when it is not known. */
  noteChecksum(): () => CatalogChecksum | undefined
  /** Makes what is committed durable, should the sync policy not have. */
  sync(): Promise<void>
  trim(upTo: number): Promise<void>
}

export interface CheckpointResult {
  readonly lsn: number
  readonly entries: number
  readonly deleted: number
  readonly durationMs: number
}

export class Checkpointer {
  /** LSN of the last checkpoint that is durable. */
  lastLsn: number
  /** When it ended, in ms since the epoch; 0 for never since the start. */
  lastWallMs = 0
  failure: Error | undefined
  /** Keys that the checkpoint which runs is to write, and has written; 0 while none runs. */
  keysToWrite = 0
  keysWritten = 0
  #isGivenUp = false
  readonly #keyspace: Keyspace
  readonly #tier: Tier
  readonly #writeOut: WriteOut
  #catalog: CatalogWriter
  readonly #store: ColdStore
  readonly #files: FileSystem
  readonly #directory: string
  readonly #clock: Clock
  readonly #log: CheckpointLog
  readonly #sizes: Sizes
  /** Ids that the last marker says are to be deleted. */
  readonly #toDelete = new IdList()
  /** Whether the present catalog lacks something: after a marker in it keys would be missing. */
  #isIncomplete = false
  /** A checkpoint began and did not end well: what is dirty bears two marks. */
  #hasTwoEpochs = false
  /** Catalogs that the present one replaces, once it has a marker. */
  readonly #formers: CatalogWriter[] = []

  constructor(options: {
    keyspace: Keyspace
    tier: Tier
    writeOut: WriteOut
    catalog: CatalogWriter
    store: ColdStore
    files: FileSystem
    directory: string
    clock: Clock
    log: CheckpointLog
    lastLsn: number
    sizes?: Sizes
  }) {
    this.#keyspace = options.keyspace
    this.#tier = options.tier
    this.#writeOut = options.writeOut
    this.#catalog = options.catalog
    this.#store = options.store
    this.#files = options.files
    this.#directory = options.directory
    this.#clock = options.clock
    this.#log = options.log
    this.lastLsn = options.lastLsn
    this.#sizes = options.sizes ?? defaultSizes
  }

  /** The server is about to end, and has no more time: a checkpoint that runs rejects before its next step, and so does every later one. */
  giveUp(): void {
    this.#isGivenUp = true
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  #throwIfGivenUp(): void {
    if (this.#isGivenUp) throw new Error('the checkpoint was given up')
  }

  /** Takes a checkpoint; the caller runs one at a time and no step of the write-out beside it. Rejects when a disk or the log fails: the last checkpoint then stands. */
  async run(): Promise<CheckpointResult> {
    const startMs = this.#clock.monotonicMs()
    const freed = new IdList()
    try {
      this.#throwIfGivenUp()
      if (this.#hasTwoEpochs) await this.#joinEpochs()
      await this.#writeOut.recordManyDeletions()
      if (this.#mustRenew()) await this.#renewCatalog()
      await wholeRecords(this.#keyspace, this.#clock)
      // From here to the first await is the moment that the checkpoint is of.
      const lsn = this.#log.appended
      const checksum = this.#log.noteChecksum()
      this.#writeOut.recordDeletions()
      this.#tier.lag.beginCheckpoint(lsn)
      this.#hasTwoEpochs = true
      // What becomes stale from here on may be what this checkpoint's rows refer to: it stays until the next.
      freed.take(this.#tier.staleIds)
      await this.#writeAll()
      await wholeRecords(this.#keyspace, this.#clock)
      this.#writeOut.recordDeletions()
      await this.#recordFreed(freed)
      // A script may have moved values that are recorded by now.
      await wholeRecords(this.#keyspace, this.#clock)
      await this.#log.committed(this.#log.appended)
      await this.#log.sync()
      await this.#store.sync()
      this.#throwIfGivenUp()
      const wallMs = this.#clock.wallMs()
      const { nextCollectionId, size } = this.#keyspace
      await this.#catalog.marker(lsn, this.#writeOut.nextValueId, nextCollectionId, size, wallMs, this.#log.id, checksum())
      this.#hasTwoEpochs = false
      this.#tier.lag.endCheckpoint()
      this.#toDelete.take(freed)
      this.lastLsn = lsn
      this.lastWallMs = wallMs
      this.failure = undefined
      if (this.#formers.length > 0) await this.#retireFormers()
      this.#throwIfGivenUp()
      await this.#log.trim(lsn)
      const deleted = await this.#deleteFreed()
      return { lsn, entries: this.#keyspace.size, deleted, durationMs: this.#clock.monotonicMs() - startMs }
    } catch (failure) {
      this.failure = failure as Error
      this.#tier.lag.endCheckpoint()
      this.#tier.staleIds.take(freed)
      throw failure
    } finally {
      this.keysToWrite = 0
      this.keysWritten = 0
    }
  }

  /** The present catalog's generation, and how much of its file is written. It has the last marker, when there is one. */
  get catalogFile(): { readonly generation: number; readonly bytes: number } {
    return { generation: this.#catalog.generation, bytes: this.#catalog.bytes - this.#catalog.pendingBytes }
  }

  /** Records in the present catalog. */
  get catalogRecords(): number {
    return this.#catalog.records
  }

  /** Ends the catalog's file; what no marker covers is dropped. */
  async close(): Promise<void> {
    for (const former of this.#formers.splice(0)) await former.close()
    await this.#catalog.close()
  }

  /** Everything that is dirty now, and nothing that becomes so meanwhile. */
  async #writeAll(): Promise<void> {
    const { dirty, relocatedDirty } = this.#tier.lag
    let left = dirty.length
    this.keysToWrite = left
    while (this.#writeOut.isUnderWay || (left > 0 && dirty.length > 0)) {
      left -= await this.#writeOut.step(left, dirty)
      this.keysWritten = this.keysToWrite - Math.max(0, left)
      this.#throwIfGivenUp()
    }
    // Those of them that got another slot meanwhile have gone from one queue to the other, and the values of some have got other keys.
    while (this.#writeOut.isUnderWay || relocatedDirty.length > 0) {
      await this.#writeOut.step(relocatedDirty.length, relocatedDirty)
      this.#throwIfGivenUp()
    }
  }

  /** After a checkpoint that failed: what was dirty before it, and what has become so since, become one again. */
  async #joinEpochs(): Promise<void> {
    const { dirty, relocatedDirty } = this.#tier.lag
    // In this order: what gets another slot meanwhile goes to the end of `dirty`.
    for (const queue of [relocatedDirty, dirty]) {
      for (let at = queue.head, looked = 1; at !== queue.tail; at = (at + 1) >>> 0, looked++) {
        this.#tier.lag.renewEpoch(queue.itemAt(at))
        if (looked % entriesPerSlice !== 0) continue
        await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
        this.#throwIfGivenUp()
      }
    }
    this.#hasTwoEpochs = false
  }

  /** Whether the present catalog is of no more use, or holds too much that is no longer so. */
  #mustRenew(): boolean {
    const { records, isBroken, isCurrent } = this.#catalog
    if (isBroken || !isCurrent || this.#isIncomplete) return true
    return records >= this.#sizes.catalogRecordsMin && records >= this.#keyspace.size * recordsPerEntryMax
  }

  /** Begins a new catalog and records everything in it but what is dirty. */
  async #renewCatalog(): Promise<void> {
    const catalog = await CatalogWriter.create(this.#files, this.#directory, this.#catalog.generation + 1)
    this.#formers.push(this.#catalog)
    this.#isIncomplete = true
    await wholeRecords(this.#keyspace, this.#clock)
    this.#catalog = catalog
    this.#writeOut.abandonTrees()
    this.#writeOut.catalog = catalog
    this.#tier.lag.databasesChanged = false
    this.#writeOut.recordDatabases()
    // These may be of keys that are there again, so they come before the rows of those.
    this.#writeOut.recordDeletions()
    const found: number[] = []
    for (const database of this.#keyspace.databases) {
      let cursor = 0
      do {
        found.length = 0
        cursor = database.index.scan(cursor, entriesPerSlice, (ref) => found.push(ref))
        for (const ref of found) this.#writeOut.recordAgain(ref)
        while (this.#writeOut.isUnderWay) await this.#writeOut.step(0)
        if (this.#catalog.pendingBytes > 1024 * 1024) await this.#catalog.flush()
        else await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
        await wholeRecords(this.#keyspace, this.#clock)
        // What was deleted meanwhile may have been recorded before.
        this.#writeOut.recordDeletions()
        this.#throwIfGivenUp()
      } while (cursor !== 0)
    }
    await this.#recordFreed(this.#toDelete)
    this.#isIncomplete = false
  }

  async #recordFreed(ids: IdList): Promise<void> {
    let left = idsPerSlice
    for (const id of ids) {
      this.#catalog.freed(id)
      if (--left > 0) continue
      await this.#catalog.flush()
      this.#throwIfGivenUp()
      left = idsPerSlice
    }
  }

  async #retireFormers(): Promise<void> {
    for (const former of this.#formers.splice(0)) await former.close()
    await removeOlderCatalogs(this.#files, this.#directory, this.#catalog.generation)
  }

  async #deleteFreed(): Promise<number> {
    let deleted = 0
    while (this.#toDelete.length > 0) {
      const deletes = this.#toDelete.last(this.#sizes.deletesPerBatch)
      await deleteValues(this.#store, deletes, this.#sizes.deletesPerBatch)
      this.#toDelete.drop(deletes.length)
      deleted += deletes.length
      // What is left the next start deletes, for the marker says so.
      if (this.#isGivenUp) break
    }
    return deleted
  }
}
