/** A value that was made before its key has it. */
import type { TypeNumber } from '../keyspace/entries.ts'

/** A value for a key: a tree, or what is made in the key's entry. */
export interface BuiltValue {
  readonly type: TypeNumber
  readonly encoding: number
  readonly seed: number
  readonly length: number
  /** Root block of the tree; 0 for what is in one piece. */
  readonly root: number
  /** Gives an entry without a value what is in one piece, changed by the mutation with this LSN. Bytes that it takes, about: `bytes`. */
  fill(entry: number, lsn: number): void
  readonly bytes: number
  /** Of a hash: when the first of its fields expires; 0 or missing for never. */
  readonly fieldsDue?: number
}

/** Where a dump lies, without its footer. */
export interface Dumped {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}
