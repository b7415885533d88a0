/**
 * Lazy free: large things that lost their key, released a little at a time: leaves of a deleted collection, entries of a
 * flushed database. Nobody can see them any more; only their memory and their stored copies remain. A tree that a
 * checkpoint is writing stays until it is written.
 */
import type { Database } from '../engine/keyspace/database.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'

const perStep = 64

export class LazyFree {
  /** Keys' values released so far. */
  freed = 0
  readonly #keyspace: Keyspace
  /** Root blocks. */
  readonly #trees: number[] = []
  readonly #databases: { readonly database: Database; cursor: number }[] = []
  readonly #found: number[] = []
  readonly #onRelease: (entry: number) => void

  /** `onRelease` hears of each entry of a flushed database that is about to be released. */
  constructor(keyspace: Keyspace, onRelease: (entry: number) => void) {
    this.#keyspace = keyspace
    this.#onRelease = onRelease
  }

  /** Whether something may be released now. */
  get any(): boolean {
    return this.#databases.length > 0 || this.#nextTree() >= 0
  }

  /** What waits, for INFO's lazyfree_pending_objects. */
  get count(): number {
    let count = this.#trees.length
    for (const { database } of this.#databases) count += database.index.size
    return count
  }

  addTree(root: number): void {
    this.#trees.push(root)
  }

  addDatabase(database: Database): void {
    if (database.index.size > 0) this.#databases.push({ database, cursor: 0 })
  }

  /** Releases a few pieces. */
  step(): void {
    const next = this.#nextTree()
    if (next >= 0) {
      if (this.#keyspace.trees.removal.releaseSome(this.#trees[next], perStep)) {
        this.#trees.splice(next, 1)
        this.freed++
      }
      return
    }
    const flushed = this.#databases[0]
    if (flushed === undefined) return
    this.#found.length = 0
    flushed.cursor = flushed.database.index.scan(flushed.cursor, perStep, (ref) => this.#found.push(ref))
    for (const ref of this.#found) {
      this.#onRelease(ref)
      this.#keyspace.releaseDetached(ref)
      this.freed++
    }
    if (flushed.cursor !== 0) return
    flushed.database.index.clear()
    this.#databases.shift()
  }

  #nextTree(): number {
    return this.#trees.findLastIndex((root) => !this.#keyspace.trees.frozen.has(root))
  }
}
