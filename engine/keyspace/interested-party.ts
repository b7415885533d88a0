/** Who wants to hear of changes to keys, and what they are told: the parties to the table in `key-interest.ts`. */
import type { RecordReader } from '../mutation/record-reader.ts'

/** Who is interested in a key. */
export interface InterestedParty {
  /** Whether it hears of a change when the record is complete (it may make changes then), not within the change itself. */
  readonly waits: boolean
  /** `change` is one of `key-change.ts`. */
  keyTouched(key: KeyOfInterest, change: number): void
  /** Hears of an edit of a collection (`types/collection-type.ts`) before it is applied, besides. Only of a party that does not wait. */
  keyEdited?(key: KeyOfInterest, type: number, edit: number, payload: RecordReader): void
}

/** Who hears of every key. It hears at once, and copies the bytes that it needs: they may be gone afterwards. */
export interface KeyListener {
  /** `database` as clients number it; the key is `key[start, end)`. */
  keyTouched(database: number, key: Uint8Array, start: number, end: number, change: number): void
  /** The database was emptied, exchanged or read again: its keys are not told one by one. */
  databaseTouched(database: number, change: number): void
}

/** Who listens for good and tells others: client tracking. */
export interface RecordListener extends KeyListener {
  /** All that it has heard of is in a record that is complete, and may be known when the log has committed `lsn`. */
  recorded(lsn: number): void
}

/** A key in which at least one party is interested. */
export interface KeyOfInterest {
  /** As clients number it. */
  readonly database: number
  readonly key: Buffer
}

/** One party's interest in one key, from `register` to `unregister`. */
export interface Interest {
  readonly key: KeyOfInterest
  readonly party: InterestedParty
}
