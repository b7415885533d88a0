/** Keys that staged work comes back to in later turns, and whether they still hold what they held. */
import type { ChunkedHash } from '../types/chunked-hash.ts'
import { chunkedHash, stringType } from './entries.ts'
import type { Keyspace } from './keyspace.ts'

class RememberedKey {
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
  protected entry(): number {
    const { keyspace } = this
    keyspace.forgetLookUp()
    const entry = keyspace.find(this.#db, this.#key, 0, this.#key.length)
    keyspace.forgetLookUp()
    return entry
  }
}

export class SteadyString extends RememberedKey {
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

/** A large hash, whatever becomes of its fields. */
export class SteadyHash extends RememberedKey {
  readonly hash: ChunkedHash

  /** Of an entry whose value is a large hash. */
  constructor(keyspace: Keyspace, entry: number) {
    super(keyspace, entry)
    this.hash = keyspace.collections[keyspace.entries.value(entry)] as ChunkedHash
  }

  /** The entry, if it is still the same hash; else 0. */
  find(): number {
    const { entries, collections } = this.keyspace
    const entry = this.entry()
    return entry !== 0 && entries.encoding(entry) === chunkedHash && collections[entries.value(entry)] === this.hash ? entry : 0
  }
}
