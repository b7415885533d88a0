/**
 * What dumping and restoring need of a type: one row for each, in a file of its own; `dumped-types.ts` has all of them. A row
 * writes RDB of an entry's value, and makes a value of elements that are decoded. Everything about RDB is in `engine/rdb/`,
 * everything about the work in slices in `dump-work.ts` and `restore-work.ts`.
 */
import type { EngineLimits } from '../engine-limits.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { Mutator } from '../mutation/mutator.ts'
import type { ColdWants } from '../need.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import type { ValueKind, ValueSink } from '../rdb/value-sink.ts'
import type { BuiltValue } from './built-value.ts'

export interface DumpedType {
  readonly type: TypeNumber
  readonly kind: ValueKind
  /** Writes RDB's type number and what stands before the elements of an entry whose value is a tree. */
  head(keyspace: Keyspace, entry: number, out: RdbOutput): void
  /** Writes the elements of one leaf of a tree. The leaves follow each other in their order. */
  leaf(keyspace: Keyspace, ref: number, out: RdbOutput): void
  /** The elements that `leaf` writes, by rank. Missing: all of the tree. */
  elements?(keyspace: Keyspace, entry: number): RankRange
  /** Writes what follows the elements; what `run` says that it has written is left out. Missing: nothing follows. */
  tail?(keyspace: Keyspace, entry: number, out: RdbOutput, run: (number: number) => boolean): void
  /** The parts of the tail that grow with the value. */
  readonly runs?: DumpedRuns
  /** Writes RDB's type number and the whole of a resident value in one piece. */
  packed(keyspace: Keyspace, entry: number, out: RdbOutput): void
  builder(parts: BuilderParts): ValueBuilder
}

export interface RankRange {
  readonly first: number
  readonly end: number
}

/** Long parts of a tail, which are dumped in slices as the elements are. Each is a run of leaves and has a number above 0, which it keeps. */
export interface DumpedRuns {
  /** The first run behind number `after` that has `leavesMin` leaves; 0 when there is none, and -n when there is none up to n and it is enough for now. */
  next(keyspace: Keyspace, root: number, after: number, leavesMin: number): number
  range(keyspace: Keyspace, root: number, run: number): RankRange
  /** Writes what a leaf has, if it is one of the run's. */
  leaf(keyspace: Keyspace, ref: number, run: number, out: RdbOutput): void
  /** Names what is cold of what the tail writes, without those runs. */
  want(keyspace: Keyspace, root: number, isWritten: (run: number) => boolean, wants: ColdWants): void
}

export interface BuilderParts {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  /** Up to which size a value is packed; undefined when the form is known: a record is replayed. */
  readonly limits: EngineLimits | undefined
  /** The form that the value is to have when it is known: an encoding of `entries.ts`. 0: as its elements demand. */
  readonly form: number
  /** For the order of a tree. */
  readonly seed: number
}

/** Gathers elements to a value that nobody sees yet. */
export interface ValueBuilder extends ValueSink {
  /** The value, when `end` has been called: the caller's from now on. */
  take(): BuiltValue
  /** Gives up what was not taken. */
  release(): void
}
