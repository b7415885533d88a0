/** The dump of one key, made beside everything else: in slices if it is large, fetched if it is cold. */
import { hasCold, wantValue } from '../../engine/cold-wants.ts'
import type { Dump, DumpWork } from '../../engine/dump/dump-pieces.ts'
import { dumpWork, writeDump } from '../../engine/dump/dump-work.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { ColdWants } from '../../engine/need.ts'
import type { StagedWork } from '../../engine/staged-work.ts'

export interface DumpedKey {
  readonly dump: Dump
  /** Of the key's last change. */
  readonly lsn: number
  /** Milliseconds since 1970, 0 for never. */
  readonly expireAt: number
}

export class KeyDump implements StagedWork {
  readonly #keyspace: Keyspace
  readonly #db: number
  readonly #key: Buffer
  #work: DumpWork | undefined

  /** Of a key in a physical database. */
  constructor(keyspace: Keyspace, db: number, key: Buffer) {
    this.#keyspace = keyspace
    this.#db = db
    this.#key = key
  }

  get memoryBytes(): number {
    return this.#work?.memoryBytes ?? 0
  }

  /** The entry that has the key now, 0 for none. */
  find(): number {
    const keyspace = this.#keyspace
    keyspace.forgetLookUp()
    const entry = keyspace.find(this.#db, this.#key, 0, this.#key.length)
    keyspace.forgetLookUp()
    return entry
  }

  step(): boolean {
    const entry = this.find()
    if (entry === 0) return false
    this.#work ??= dumpWork(this.#keyspace, entry)
    return this.#work?.step() ?? false
  }

  eachCold(wants: ColdWants): boolean {
    const entry = this.find()
    if (entry === 0) return true
    if (this.#keyspace.entries.isTree(entry)) this.#work ??= dumpWork(this.#keyspace, entry)
    if (this.#work?.eachCold?.(wants) === true) return true
    if (hasCold(this.#keyspace, entry)) wantValue(this.#keyspace, entry, wants)
    return true
  }

  /** When no step is left, in the same turn. Undefined when the key is no more. */
  take(): DumpedKey | undefined {
    const entry = this.find()
    if (entry === 0) return undefined
    const { entries } = this.#keyspace
    return { dump: this.#work?.take(entry) ?? this.#whole(entry), lsn: entries.lsn(entry), expireAt: entries.expireAt(entry) }
  }

  #whole(entry: number): Dump {
    const bytes = writeDump(this.#keyspace, entry).take()
    return { pieces: [bytes], bytes: bytes.length }
  }
}
