/**
 * What the tier and the checkpoint need to hear of the keyspace. Calls come in the middle of a change: an observer takes
 * notes and calls nothing back.
 */
import type { Database } from './database.ts'

export interface KeyspaceObserver {
  /** A value has come into memory. */
  resident(value: number): void
  /** A resident value lies in another slot now. */
  moved(from: number, to: number): void
  /** A resident value leaves memory; its slot is about to be released. */
  released(value: number): void
  /** The cold store's copy under this id is of no more use, once no checkpoint needs it. */
  stale(valueId: number): void
  /** An entry differs from what the catalog knows, for the first time since it was told. */
  dirtied(entry: number): void
  /** An entry that the catalog does not know as it is has moved: the ref that was dirtied is dead. */
  dirtyMoved(entry: number): void
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
  moved() {},
  released() {},
  stale() {},
  dirtied() {},
  dirtyMoved() {},
  transferring() {},
  removed() {},
  treeDropped() {},
  flushed() {},
  swapped() {},
}
