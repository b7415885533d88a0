/**
 * What the keyspace reports to the tier and the checkpoint. Calls come in the middle of a change: an observer takes
 * notes and calls nothing back.
 */
import type { Database } from './database.ts'

export interface KeyspaceObserver {
  /** A value has come into memory. */
  resident(value: number): void
  /** A resident value was relocated to another slot. */
  relocated(from: number, to: number): void
  /** A resident value leaves memory; its slot is about to be released. */
  released(value: number): void
  /** The cold store's copy under this id is stale: it is of no use once no checkpoint needs it. */
  stale(valueId: number): void
  /** An entry differs from its row in the catalog, for the first time since that was recorded. */
  dirtied(entry: number): void
  /** A dirty entry was relocated to another slot: the ref that was dirtied is dead. */
  dirtyRelocated(entry: number): void
  /** The value of an entry, or a copy of it, is about to go to another key, by the record with this LSN, whose earlier operations have been applied. */
  transferring(entry: number, lsn: number): void
  /** An entry that the catalog knows is about to be removed. */
  removed(entry: number, lsn: number): void
  /** A tree has lost its key; its leaves are to be released in slices. */
  treeDropped(root: number): void
  /** A database was emptied; its former contents are to be released in slices. */
  flushed(former: Database, db: number): void
  /** Two databases have exchanged their numbers. */
  swapped(): void
}

/** For a keyspace without a tier. */
export const noObserver: KeyspaceObserver = {
  resident() {},
  relocated() {},
  released() {},
  stale() {},
  dirtied() {},
  dirtyRelocated() {},
  transferring() {},
  removed() {},
  treeDropped() {},
  flushed() {},
  swapped() {},
}
