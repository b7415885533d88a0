/**
 * What the catalog does not know yet: entries that are not as it has them, deleted keys that it still has, trees that are being
 * written out. The tier tells it of changes; the write-out takes them from it and records them.
 *
 * While a checkpoint is under way it tells apart what that must record, which is what was so when it began, and what came since.
 */
import { catalogedFlag, dirtyFlag, epochFlag } from '../engine/keyspace/entries.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { FrozenTree } from '../engine/tree/frozen-tree.ts'
import { RefQueue } from './ref-queue.ts'
import { Tombstones } from './tombstones.ts'

export class CatalogLag {
  /** Entries that the catalog does not know as they are, in the order in which they became so. */
  readonly dirty = new RefQueue()
  /** Dirty entries that were relocated to another slot while a checkpoint was to write them: it must not miss them. */
  readonly relocatedDirty = new RefQueue()
  /** Trees that are being written out, a batch at a time, the first at present. */
  readonly frozen: FrozenTree[] = []
  /** Deleted keys that the catalog still knows. */
  readonly tombstones = new Tombstones()
  /** Deletions that the checkpoint which is under way must not record. */
  readonly #nextTombstones = new Tombstones()
  /** Whether databases were flushed or swapped since that was last recorded. */
  databasesChanged = false
  /** Set by the write-out: records an entry at once. `isMidRecord`: the log record in hand has changed it. */
  recordBeforeMove: (entry: number, isMidRecord: boolean) => void = () => undefined
  readonly #keyspace: Keyspace
  #checkpointing = false
  #checkpointLsn = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** Whether there is something to write out. */
  get any(): boolean {
    return this.dirty.length > 0 || this.relocatedDirty.length > 0 || this.frozen.length > 0
  }

  get memoryBytes(): number {
    return this.dirty.bytes + this.relocatedDirty.bytes + this.tombstones.bytes + this.#nextTombstones.bytes
  }

  get isCheckpointing(): boolean {
    return this.#checkpointing
  }

  /** A dirty entry has moved to another slot. */
  relocated(entry: number): void {
    if (this.#checkpointing && this.isDue(entry)) this.relocatedDirty.push(entry)
    else this.dirty.push(entry)
  }

  /** The value of an entry is about to go to another key. */
  transferring(entry: number, lsn: number): void {
    if (!this.#checkpointing || !this.isDue(entry)) return
    this.recordBeforeMove(entry, this.#keyspace.entries.lsn(entry) === lsn)
  }

  removed(entry: number, lsn: number): void {
    const isLater = this.#checkpointing && !this.isDue(entry)
    this.#addTombstone(entry, lsn, isLater ? this.#nextTombstones : this.tombstones)
  }

  /** An entry of a flushed database will not be written. If the checkpoint which is under way does not record the flush, it must record this deletion. */
  skipFlushed(entry: number): void {
    const { entries, databases } = this.#keyspace
    if (!this.#checkpointing || !this.isDue(entry)) return
    entries.clearFlag(entry, dirtyFlag)
    const { flushedLsn } = databases[entries.db(entry)]
    if (flushedLsn > this.#checkpointLsn && entries.flag(entry, catalogedFlag)) this.#addTombstone(entry, flushedLsn, this.tombstones)
  }

  #addTombstone(entry: number, lsn: number, tombstones: Tombstones): void {
    const { entries, arena } = this.#keyspace
    const start = entries.keyStart(entry)
    tombstones.add(entries.db(entry), lsn, arena.bytes(entry), start, start + entries.keyLength(entry))
  }

  /** A checkpoint as of `lsn` begins: what is dirty now it writes, and nothing that becomes so from here on. Deletions and flushes have been recorded. */
  beginCheckpoint(lsn: number): void {
    this.#keyspace.dirtyEpoch ^= epochFlag
    this.#checkpointLsn = lsn
    this.#checkpointing = true
  }

  /** The checkpoint has its marker, or has failed. */
  endCheckpoint(): void {
    this.#checkpointing = false
    this.tombstones.take(this.#nextTombstones)
  }

  /** Whether an entry may be recorded now: it is dirty, and was so when the checkpoint that may be under way began. */
  isDue(entry: number): boolean {
    const { entries, dirtyEpoch } = this.#keyspace
    if (!entries.flag(entry, dirtyFlag)) return false
    return !this.#checkpointing || entries.flag(entry, epochFlag) !== (dirtyEpoch !== 0)
  }

  /** An item of a queue counts as if it had become dirty now, if it is. */
  renewEpoch(entry: number): void {
    const { entries, dirtyEpoch } = this.#keyspace
    if (entry !== 0 && entries.isLive(entry) && entries.flag(entry, dirtyFlag)) entries.setDirty(entry, dirtyEpoch)
  }
}
