/**
 * Large things that lost their key, to be released a little at a time: chunks of a deleted hash, entries of a flushed
 * database. Nobody can see them any more; only their memory and their stored copies remain.
 */
import type { Database } from '../engine/keyspace/database.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { ChunkedHash } from '../engine/types/chunked-hash.ts'

const perStep = 64

export class LoosePieces {
  readonly #keyspace: Keyspace
  readonly #collections: ChunkedHash[] = []
  readonly #databases: { readonly database: Database; cursor: number }[] = []
  readonly #found: number[] = []

  readonly #onRelease: (entry: number) => void

  /** `onRelease` hears of each entry of a flushed database that is about to be released. */
  constructor(keyspace: Keyspace, onRelease: (entry: number) => void) {
    this.#keyspace = keyspace
    this.#onRelease = onRelease
  }

  get any(): boolean {
    return this.#collections.length > 0 || this.#databases.length > 0
  }

  /** Pieces that wait, for INFO's lazyfree_pending_objects. */
  get count(): number {
    let count = this.#collections.length
    for (const { database } of this.#databases) count += database.index.size
    return count
  }

  addCollection(collection: ChunkedHash): void {
    this.#collections.push(collection)
  }

  addDatabase(database: Database): void {
    if (database.index.size > 0) this.#databases.push({ database, cursor: 0 })
  }

  /** Releases a few pieces. */
  step(): void {
    const collection = this.#collections[this.#collections.length - 1]
    if (collection !== undefined) {
      if (collection.releaseSome(perStep)) this.#collections.pop()
      return
    }
    const flushed = this.#databases[0]
    if (flushed === undefined) return
    this.#found.length = 0
    flushed.cursor = flushed.database.index.scan(flushed.cursor, perStep, (ref) => this.#found.push(ref))
    for (const ref of this.#found) {
      this.#onRelease(ref)
      this.#keyspace.releaseDetached(ref)
    }
    if (flushed.cursor !== 0) return
    flushed.database.index.clear()
    this.#databases.shift()
  }
}
