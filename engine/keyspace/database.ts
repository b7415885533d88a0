/** One physical database: its index, and the list of its entries that have a ttl. */
import type { Arena } from '../memory/arena.ts'
import { KeyIndex } from './key-index.ts'
import { RefList } from './ref-list.ts'

export class Database {
  index: KeyIndex
  /** Entries that have a ttl. */
  expiring = new RefList()
  /** LSN of the last FLUSHDB. */
  flushedLsn = 0

  constructor(arena: Arena) {
    this.index = new KeyIndex(arena)
  }
}
