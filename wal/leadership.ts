/**
 * Leadership of a log that several processes share: one of them appends, the others read. It is claimed in the log itself,
 * by who has read all of it; a claim fences every former leader, so no clock decides whether a write counts.
 *
 * What clocks decide is how long a leader may answer reads without asking the log: for a lease from the moment at which its
 * newest committed entry set out (`renewedMs`). Others claim later than that, as they hear it. Whoever keeps the lease is
 * `server/shard/lease.ts`; here are only its facts.
 */
import type { RunningChecksum } from './running-checksum.ts'

/** Who has claimed a log. */
export interface Leader {
  /** Grows with each claim. */
  readonly epoch: number
  /** What the leader said of itself when it claimed: opaque bytes. */
  readonly claim: Buffer
  /** Set when it has given up its lease: whom it wants to follow it, or nobody. Opaque bytes. */
  readonly released: Buffer | undefined
}

export interface Leadership {
  /** The newest leader known here. */
  readonly leader: Leader | undefined
  /** The epoch in which this process appends; 0 unless it has claimed and was not fenced. */
  readonly epoch: number
  /** Monotonic time at which the attempt set out that has brought the newest committed entry of this epoch into the log, as far as that is known, or else the first attempt; -Infinity before. */
  readonly renewedMs: number
  /**
   * Makes this process the leader if `after` is the LSN of the last record, nothing has happened in the log that this process has not read, and
   * nobody else claims; rejects with `TailMoved` otherwise, and with `LogFailed` after a failure. When it resolves, no record of an earlier epoch will be committed any more.
   * When it rejects with another error nobody knows whether it has happened: read, and claim again. `checksum` is that of the records up to
   * `after`; without it one begins there.
   */
  claim(after: number, claim: Buffer, checksum?: RunningChecksum): Promise<void>
  /**
   * The running checksum of the records up to the newest that was appended, while this process leads. What it returns tells it, once that record is
   * committed: until then it may not be computed, and is undefined.
   */
  noteChecksum(): () => RunningChecksum | undefined
  /** Lets the readers hear that the leader lives, and the lease last, by an entry without records, which has the running checksum. Cheap; nothing while one is under way. */
  renew(): void
  /**
   * Gives up the lease, after everything that was appended: others may claim at once. `successor` tells whom this process would like to see do it.
   * Nothing may be appended from the call on. Rejects when that is not known to have happened.
   */
  release(successor: Buffer): Promise<void>
  /** Removes the log for good, with what nodes tell of themselves: it goes on elsewhere. Only while this process leads; nothing may be appended from the call on. Rejects with `Fenced` when another one has claimed. */
  end(): Promise<void>
  /** Appends and sends nothing more, and lets `close` wait for nothing: this process has lost its lease, and what it has not committed may be in the log or not. */
  abandon(): void
}
