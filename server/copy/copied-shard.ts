/**
 * All data as of one record of the log, to be read at leisure beside the shard that goes on: the keys of a kept checkpoint in a keyspace of their
 * own, with the log applied up to a record that is not older than anything in the checkpoint, which is fuzzy. Values stay in the checkpoint
 * until they are asked for, so it takes the memory of the keys, and of what changed while the checkpoint was made.
 *
 * Nobody changes anything here once it is filled. All work is done in slices of a few milliseconds; it waits where memory is short.
 */
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { RefList } from '../../engine/keyspace/ref-list.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import type { Random } from '../../engine/random.ts'
import type { CatalogEntry } from '../../storage/catalog-entry.ts'
import type { CatalogVisitor } from '../../storage/catalog-format.ts'
import { catalogPath } from '../../storage/catalog-format.ts'
import type { CatalogFile } from '../../storage/catalog-reader.ts'
import { readCatalogFile } from '../../storage/catalog-reader.ts'
import type { Clock } from '../../storage/clock.ts'
import { KeyspaceRestore } from '../../storage/restore.ts'
import { Tier } from '../../storage/tier.ts'
import { noProgress } from '../progress.ts'
import { LogReplay } from '../shard/recovery.ts'
import type { Shard } from '../shard/shard.ts'
import type { KeptCheckpoint } from './shard-copies.ts'

const sliceMs = 2
/** Where memory is short it looks again after so long. */
const roomMs = 10
/** Memory that a key takes beside its row in the catalog, at most. */
const keyBytes = 48

/** It is not wanted any more, or there is no memory for it. */
export class CopyAbandoned extends Error {
  override readonly name = 'CopyAbandoned'
}

export class CopiedShard {
  readonly keyspace: Keyspace
  readonly tier: Tier
  /** In the order in which their values were written, as far as that is known; some of them mean nothing any more. */
  readonly entries = new RefList()
  /** The newest record that is in it, once it is filled, and when that was, by the wall clock. */
  lsn = 0
  wallMs = 0
  /** How often all of it has been walked over. */
  walks = 0
  readonly #shard: Shard
  readonly #kept: KeptCheckpoint
  readonly #clock: Clock
  readonly #mutator: Mutator
  #isWanted = true
  #untilMs: number

  /** Empty. `shard`: what the checkpoint is of. */
  constructor(shard: Shard, kept: KeptCheckpoint, clock: Clock, random: Random) {
    this.#shard = shard
    this.#kept = kept
    this.#clock = clock
    const { valueBytesMin, ttlMinMs } = shard.tier.settings
    this.keyspace = new Keyspace(random, noObserver)
    this.keyspace.trees.leafBytesMax = shard.keyspace.trees.leafBytesMax
    // What is read for a moment does not stay.
    const settings = { demotes: true, promote: 'never', valueBytesMin, ttlMinMs } as const
    this.tier = new Tier(this.keyspace, kept.values, shard.codec, clock, settings, () => undefined)
    this.#mutator = new Mutator(this.keyspace)
    this.#untilMs = clock.monotonicMs() + sliceMs
  }

  get memoryBytes(): number {
    return this.keyspace.memoryBytes + this.tier.memoryBytes + this.entries.bytes
  }

  /** Rejects when the checkpoint or the log cannot be read, and with `CopyAbandoned`. */
  async fill(): Promise<void> {
    const { log, budget, keyspace: original } = this.#shard
    const { generation, lsn, catalog, catalogBytes } = this.#kept
    try {
      if (!budget.hasPlaceFor(catalogBytes + original.size * keyBytes)) throw new CopyAbandoned('there is no memory for a copy of all keys')
      await this.#restore(bounded(catalog, catalogBytes), generation)
      const replay = new LogReplay(this.keyspace, this.#mutator, this.tier, lsn)
      await replay.run(log, this.#clock, noProgress, () => this.#room())
      this.lsn = replay.applied
      this.wallMs = this.#clock.wallMs()
    } finally {
      this.#kept.releaseLog()
    }
  }

  /** Whoever works on it finds out when it goes on. */
  abandon(): void {
    this.#isWanted = false
  }

  /** To be awaited now and then, if there is something to await: lets others have their turn when the slice is over. Rejects with `CopyAbandoned`. */
  pause(): Promise<void> | undefined {
    return this.#clock.monotonicMs() < this.#untilMs && this.#isWanted ? undefined : this.#rest()
  }

  async close(): Promise<void> {
    this.abandon()
    await this.tier.quiet()
    await this.#kept.close()
  }

  async #rest(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
    if (!this.#isWanted) throw new CopyAbandoned('the copy is not wanted any more')
    this.#untilMs = this.#clock.monotonicMs() + sliceMs
  }

  async #room(): Promise<void> {
    const { budget } = this.#shard
    while (budget.isShort && this.#isWanted) await new Promise<void>((resolve) => this.#clock.after(roomMs, resolve))
    if (budget.isExhausted) throw new CopyAbandoned('there is no memory for a copy of all keys')
    if (!this.#isWanted) throw new CopyAbandoned('the copy is not wanted any more')
  }

  async #restore(catalog: CatalogFile, generation: number): Promise<void> {
    const { keyspace, tier } = this
    const reader = await readCatalogFile(catalog, catalogPath('', generation), generation)
    if (reader === undefined) throw new Error('the checkpoint has no marker')
    const restore = new CopyRestore(keyspace, tier, this.entries)
    const pause = (): Promise<void> | undefined => {
      for (let steps = 0; steps < 64 && tier.lazyFree.any; steps++) tier.lazyFree.step()
      return this.#shard.budget.isShort ? this.#room() : this.pause()
    }
    await reader.read(restore, undefined, pause)
    for (const finishing = restore.finishing(); finishing.next().done !== true; ) await this.pause()
    keyspace.nextCollectionId = reader.marker.nextCollectionId
    keyspace.observer = tier
    tier.handleFaults()
  }
}

/** A file of which only the first bytes count: the next checkpoint may have been added to it. */
function bounded(file: CatalogFile, bytes: number): CatalogFile {
  return { read: (into, position) => file.read(into, position), size: async () => bytes, close: async () => undefined }
}

/** Notes each entry, and empties databases at once: what was in them goes in slices. */
class CopyRestore implements CatalogVisitor {
  readonly #restore: KeyspaceRestore
  readonly #keyspace: Keyspace
  readonly #tier: Tier
  readonly #entries: RefList

  constructor(keyspace: Keyspace, tier: Tier, entries: RefList) {
    this.#restore = new KeyspaceRestore(keyspace, (value) => tier.isMovable(value), 0)
    this.#keyspace = keyspace
    this.#tier = tier
    this.#entries = entries
  }

  entry(row: CatalogEntry): void {
    this.#restore.entry(row)
    this.#entries.push(this.#keyspace.find(row.db, row.key, row.keyStart, row.keyEnd))
  }

  tombstone(db: number, lsn: number, key: Buffer, keyStart: number, keyEnd: number): void {
    this.#restore.tombstone(db, lsn, key, keyStart, keyEnd)
  }

  collection(collectionId: number, leaves: number, seed: number): void {
    this.#restore.collection(collectionId, leaves, seed)
  }

  leaf(collectionId: number, separator: Uint32Array, valueId: number, lsn: number, count: number, bytes: number): void {
    this.#restore.leaf(collectionId, separator, valueId, lsn, count, bytes)
  }

  databases(lsn: number, physical: ArrayLike<number>, flushedLsns: ArrayLike<number>): void {
    const keyspace = this.#keyspace
    keyspace.logicalLsn = lsn
    for (let i = 0; i < physical.length; i++) {
      keyspace.logical[i] = physical[i]
      if (flushedLsns[i] <= keyspace.databases[i].flushedLsn) continue
      this.#tier.lazyFree.addDatabase(keyspace.detach(i, flushedLsns[i]))
    }
  }

  freed(): void {
    // The checkpoint is not gone on with.
  }

  finishing(): Generator<void> {
    return this.#restore.finishing(this.#tier)
  }
}
