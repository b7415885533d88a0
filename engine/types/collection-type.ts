/**
 * A type of collection, as the mutator and the replay see it: a number, and the edits that change it. An edit is recorded as
 * a payload that says all it needs, and applied by reading that payload, when a command executes as when a record is replayed.
 * So what is in the log is what has happened.
 */

import type { TypeNumber } from '../keyspace/entries.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'

export interface CollectionEdit {
  /** Whether it makes the collection when the key is missing. */
  readonly creates: boolean
  /** Whether it changes only what the collection keeps beside its elements, as Redis has it: nobody who waits for the key is tried. */
  readonly keepsElements?: boolean
  /**
   * Applies itself to an entry, which has no value yet if it is new. What it changes must be resident. Keeps the entry's length, which is 0
   * for a collection that goes. Returns what the command wants to know.
   *
   * In a replay the collection may lack what the edit once found, because a later record deletes the key: what is missing is passed over.
   */
  apply(entry: number, payload: RecordReader, lsn: number): number
  /** Names what it changes of an entry of which something is cold; the whole value unless told. */
  wants?(entry: number, payload: RecordReader, wants: ColdWants): void
  /**
   * Visits the members that it changes, in bytes that are valid during the visit. Missing: whoever has to know them takes the whole collection for
   * changed.
   */
  members?(payload: RecordReader, visit: (bytes: Buffer, start: number, end: number) => void): void
}

export interface CollectionType {
  readonly number: TypeNumber
  /** By their numbers in records, which stay what they are. */
  readonly edits: readonly (CollectionEdit | undefined)[]
}
