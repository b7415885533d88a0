/**
 * Where a log that several processes share keeps its entries, and how they are read: a contract. `SharedLog` decides what is written into
 * which slot, and makes records of what is read.
 *
 * A slot is written once: by the leader of the newest epoch, or by a claim, which begins the next one. An outcome that is not known
 * is found out by asking again for the same: so a store asks until it knows, or nobody wants to know any more.
 */
import type { Leader } from '../leadership.ts'
import type { Members } from '../members.ts'
import type { LogEntry, PlacedEntry } from './log-entry.ts'

export interface EntryStore {
  /** Tells this history from every other. */
  readonly logId: bigint
  readonly members: Members
  /** LSN of the oldest record that can still be read, or of the next one when none can. */
  readonly firstLsn: number
  /** Bytes of the entries up to a slot, roughly. */
  bytesUpTo(slot: number): number
  /**
   * Puts an entry of the epoch that was claimed here into a slot, if that is empty and nobody has claimed since; several may be under way,
   * and reach their slots in any order. The bytes stay as they are, but for the room in front of the body. With `released` the lead is
   * given up in the same step, in favour of whom that names.
   *
   * Resolves to the monotonic time at which the attempt set out that has put it there, as far as that is known, or else the first
   * one; to undefined when another process has claimed. Rejects when the store takes no more, or `isGivenUp` says that nobody wants to know.
   */
  put(slot: number, entry: LogEntry, isGivenUp: () => boolean, released?: Buffer): Promise<number | undefined>
  /**
   * Begins the next epoch, whose first record has the LSN `after` + 1, with a claim in `slot`, if that is empty, nobody else claims at once, and
   * all slots before it are there. What lies behind the slot, of a former leader, is removed in the same step. Resolves to undefined when
   * there was something in the slot, or another claim; rejects when nobody knows what came of it.
   */
  claim(slot: number, after: number, claim: Buffer): Promise<Claimed | undefined>
  /** Removes the log, which ends with `tailSlot`, for good, with what processes tell of themselves, if nobody has claimed since it was claimed here. Resolves to whether it did. */
  end(tailSlot: number): Promise<boolean>
  /** Removes slots that have nothing of a record above `upTo`, the lowest first; `tailSlot` stays, and what lies so close before it that a put still needs it. */
  trim(upTo: number, tailSlot: number): Promise<void>
  /** The slot that has the first part of record `after` + 1, which is there. Rejects with `LogTrimmed` when it is there no more. */
  slotOf(after: number): Promise<number>
  /**
   * Entries from a slot on, in the order of their slots, without a gap, then those that come; until `signal` aborts. Throws `LogTrimmed`
   * when the next one is gone.
   */
  read(slot: number, signal: AbortSignal): AsyncIterable<EntryBatch>
  /** Nothing is asked for any more, and what is under way is given up. */
  close(): void
}

export interface Claimed {
  readonly leader: Leader
  /** As that of an entry that was put. */
  readonly ledMs: number
}

/** One step of a reader. */
export interface EntryBatch {
  /** Of consecutive slots. */
  readonly entries: readonly PlacedEntry[]
  /** Who has claimed the log last, as far as that is known. */
  readonly leader: Leader | undefined
}

/** Where a log ended when it was opened. */
export interface LogEnd {
  /** The last slot without a gap before it; 0 when there is none. */
  readonly tailSlot: number
  /** LSN of the last record that is complete there. */
  readonly tailLsn: number
  /** Whether that slot has a part of a record that is not complete there. */
  readonly endsWithin: boolean
  readonly leader: Leader | undefined
}
