/** A value that was made before its key has it. */
import type { TypeNumber } from '../keyspace/entries.ts'

/** A value for a key: the root block of a tree, or bytes in one piece. */
export interface BuiltValue {
  readonly type: TypeNumber
  readonly encoding: number
  readonly seed: number
  readonly length: number
  /** 0 for what is in one piece. */
  readonly root: number
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}
