/** One physical database: its index, and the list of its entries of which something expires. */
import type { Arena } from '../memory/arena.ts'
import { ExpiringList } from './expiring-list.ts'
import { KeyIndex } from './key-index.ts'

export class Database {
  index: KeyIndex
  /** Entries that have a ttl, or fields that have one. */
  expiring = new ExpiringList()
  /** LSN of the last FLUSHDB. */
  flushedLsn = 0

  constructor(arena: Arena) {
    this.index = new KeyIndex(arena)
  }
}
