/** Handles of values that staged work comes back to in later turns: each finds its key again, and tells whether it still has that value. */

import { stringType } from './entries.ts'
import type { Keyspace } from './keyspace.ts'

/** A key, whatever becomes of its value. */
export class KeyHandle {
  protected readonly keyspace: Keyspace
  readonly #db: number
  readonly #key: Buffer

  constructor(keyspace: Keyspace, entry: number) {
    const { entries, arena } = keyspace
    const keyStart = entries.keyStart(entry)
    this.keyspace = keyspace
    this.#db = entries.db(entry)
    this.#key = Buffer.from(arena.bytes(entry).subarray(keyStart, keyStart + entries.keyLength(entry)))
  }

  /** The entry that has the key now, or 0. */
  entry(): number {
    const { keyspace } = this
    keyspace.forgetLookUp()
    const entry = keyspace.find(this.#db, this.#key, 0, this.#key.length)
    keyspace.forgetLookUp()
    return entry
  }
}

/** One version of a string. */
export class StringHandle extends KeyHandle {
  readonly length: number
  readonly #lsn: number

  /** Of an entry whose value is a resident string. */
  constructor(keyspace: Keyspace, entry: number) {
    super(keyspace, entry)
    this.#lsn = keyspace.entries.lsn(entry)
    this.length = keyspace.entries.length(entry)
  }

  /** The entry, if the string is resident and has not changed; else 0. */
  find(): number {
    const { entries } = this.keyspace
    const entry = this.entry()
    if (entry === 0 || entries.type(entry) !== stringType) return 0
    return entries.isResident(entry) && entries.lsn(entry) === this.#lsn ? entry : 0
  }
}

/** A large collection, whatever becomes of its elements. */
export class TreeHandle extends KeyHandle {
  readonly #id: number

  /** Of an entry whose value is a tree. */
  constructor(keyspace: Keyspace, entry: number) {
    super(keyspace, entry)
    this.#id = keyspace.trees.roots.id(keyspace.entries.value(entry))
  }

  /** The entry, if it still has the same collection; else 0. */
  find(): number {
    const { entries, trees } = this.keyspace
    const entry = this.entry()
    return entry !== 0 && entries.isTree(entry) && trees.roots.id(entries.value(entry)) === this.#id ? entry : 0
  }

  /** Root block of the collection, 0 when it is no longer under its key. */
  root(): number {
    const entry = this.find()
    return entry === 0 ? 0 : this.keyspace.entries.value(entry)
  }
}
