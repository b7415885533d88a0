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
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
    this.index = new KeyIndex(arena)
  }

  /** Empties it at once, and gives away its former contents. `lsn` is that of the flush. */
  detach(lsn: number): Database {
    const former = new Database(this.#arena)
    former.index = this.index
    former.expiring = this.expiring
    this.index = new KeyIndex(this.#arena)
    this.expiring = new ExpiringList()
    this.flushedLsn = lsn
    return former
  }
}
