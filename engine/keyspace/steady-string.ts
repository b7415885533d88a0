/** A key whose string was resident once, and whether it still holds what it held then. */
import { stringType } from './entries.ts'
import type { Keyspace } from './keyspace.ts'

export class SteadyString {
  readonly length: number
  readonly #keyspace: Keyspace
  readonly #db: number
  readonly #key: Buffer
  readonly #lsn: number

  constructor(keyspace: Keyspace, entry: number) {
    const { entries, arena } = keyspace
    const keyStart = entries.keyStart(entry)
    this.#keyspace = keyspace
    this.#db = entries.db(entry)
    this.#key = Buffer.from(arena.bytes(entry).subarray(keyStart, keyStart + entries.keyLength(entry)))
    this.#lsn = entries.lsn(entry)
    this.length = entries.length(entry)
  }

  /** The entry, if the string is resident and has not changed; else 0. */
  find(): number {
    const { entries } = this.#keyspace
    this.#keyspace.forgetLookUp()
    const entry = this.#keyspace.find(this.#db, this.#key, 0, this.#key.length)
    this.#keyspace.forgetLookUp()
    if (entry === 0 || entries.type(entry) !== stringType) return 0
    return entries.isResident(entry) && entries.lsn(entry) === this.#lsn ? entry : 0
  }
}
