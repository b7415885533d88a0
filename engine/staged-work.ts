/**
 * Work on a large value that is done before its command is executed, a slice at a time, while others are served: a copy to
 * grow in, a reply in parts. It changes nothing that anybody could see.
 *
 * The command is then executed in one turn, as always, and uses what was staged as far as the value still is what it was;
 * the LSNs of its last change tell. So the command is as atomic and as right as without, and only takes longer in its turn
 * the more has changed meanwhile.
 */
import type { ColdWants } from './need.ts'

export interface StagedWork {
  /** Of what has been done so far, as far as it is not in the keyspace's arena. */
  readonly memoryBytes: number
  /**
   * Its steps, and `release`, change what nobody sees yet and is to be in the log: each is called within a record of its own, `release` some time
   * later.
   */
  readonly isRecorded?: boolean
  /** Does a slice, of a few hundred microseconds. False when nothing is left to do beforehand. */
  step(): boolean
  /** Called in the command's turn, before it is executed. */
  finish?(): void
  /** Called once, when the command has been executed or never will be: what it has not used is given up. */
  release?(): void
  /**
   * Names what is cold and without which the next step can do nothing, or after the last one the command. Where it is missing
   * or answers false, what the command needs says its row.
   */
  eachCold?(wants: ColdWants): boolean
  /** Whether the value of an entry should stay as it is until the work is done: if it changes, what was done is done anew. */
  holds?(entry: number): boolean
}

/** From this length on a value is worked on in slices: about a millisecond's worth. */
export const slicedValueBytes = 1024 * 1024
/** What is copied or looked at in one slice. */
export const sliceBytesMax = 256 * 1024
