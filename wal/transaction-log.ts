/**
 * The transaction log: how a change lasts. A contract with one conformance suite (`test/contract/transaction-log.ts`).
 *
 * An LSN is the number of a record: 1, 2, 3, … without gaps. Payloads are opaque bytes. `append` is synchronous and
 * only buffers; `flush` starts making the buffered group durable; `onCommitted` says up to where records are durable.
 * While groups are in flight the next one forms (group commit, no timers).
 *
 * A log is this process's own (`leadership` is undefined: whoever has opened it may append), or several processes share it.
 * Then each of them may read, and the one that has claimed the leadership may append, until another one claims it.
 */
import type { RecordReference } from '../engine/mutation/record-buffer.ts'
import type { Leader, Leadership } from './leadership.ts'
import type { Members } from './members.ts'
import type { RunningChecksum } from './running-checksum.ts'

export interface TransactionLog {
  /** Tells this history from every other: what was made from another log must not be continued with this one. */
  readonly logId: bigint
  /** Undefined when no other process can append. */
  readonly leadership: Leadership | undefined
  /** Undefined when no other process reads. */
  readonly members: Members | undefined
  /** LSN of the newest record appended here, or, while another process leads, of the newest one known to be committed; 0 when the log is empty. */
  readonly appended: number
  /** Every record with an LSN up to this one is committed: durable under the sync policy in force. */
  readonly committed: number
  /** Every record with an LSN up to this one is durable, whatever the sync policy. */
  readonly synced: number
  /** LSN of the oldest record that can still be read, or appended + 1 when none can. */
  readonly first: number
  /** Larger records are refused: whoever appends makes none, for `append` throws when it is too late. */
  readonly recordBytesMax: number
  /** Bytes appended and not yet committed, for back-pressure. */
  readonly pendingBytes: number
  /** Set by the owner. Called whenever `committed` has moved, never from inside `append`; from inside `flush` only while the policy is not `always`. */
  onCommitted: (committed: number) => void
  /**
   * Set by the owner. Called once, when nothing appended here will be committed any more: a write or sync failed, or another process
   * has claimed the leadership (`Fenced`). What was appended and not committed may be in the log or not.
   */
  onFailed: (failure: LogFailed) => void
  /**
   * Copies `payload[start, end)` into the forming group and returns its LSN. The bytes of `references` belong to the record,
   * each before the place in `payload` that it names; they are not copied, and must stay as they are until the record is
   * committed. Throws `LogFailed` after a failure, and when the log is shared and was not claimed.
   */
  append(payload: Buffer, start: number, end: number, references?: readonly RecordReference[]): number
  /**
   * Starts writing the forming group unless one is being written; cheap when there is nothing to do; called once per turn. Under
   * `everysec` and `no` a small group may be committed when it returns.
   */
  flush(): void
  /**
   * Committed records with an LSN above `after`, in order, without gaps; then waits for what is committed next. Ends when `signal` aborts
   * and when the log is closed. Payloads are valid until the next step. Throws `LogTrimmed` when record `after + 1` has been trimmed.
   */
  read(after: number, signal?: AbortSignal, purpose?: ReadPurpose): AsyncIterable<LogBatch>
  /** Drops records up to and including `upTo`; may keep more. */
  trim(upTo: number): Promise<void>
  setSyncPolicy(policy: SyncPolicy): void
  /** When it resolves, every record committed before the call is on the disk, whatever the sync policy. Rejects when a sync fails, which is a failure of the log. */
  sync(): Promise<void>
  stats(): LogStats
  /** Commits what was appended, then closes. */
  close(): Promise<void>
}

/**
 * `follow`, unless told: this process reads, to have what others append, and by it knows how far they are. `copy`: it reads what it passes on to
 * somebody else; in a log that is shared nothing of that counts as read here, by a claim for instance.
 */
export type ReadPurpose = 'follow' | 'copy'

/** One step of a reader. Without records it says that the leader lives, or that another one leads. */
export interface LogBatch {
  readonly records: readonly LogRecord[]
  /** Who led when this was read; undefined in a log that is not shared, or that nobody has claimed yet. */
  readonly leader: Leader | undefined
  /** The newest running checksum that the leader has told, of records up to about here. */
  readonly checksum?: RunningChecksum | undefined
}

export interface LogRecord {
  readonly lsn: number
  readonly payload: Buffer
}

/** `always`: committed means synced to disk. `everysec`, `no`: committed means written to the operating system; synced each second, or when it likes. */
export type SyncPolicy = 'always' | 'everysec' | 'no'

export interface LogStats {
  readonly segments: number
  readonly bytes: number
  readonly groups: number
  readonly records: number
  readonly writtenBytes: number
  readonly lastGroupRecords: number
  /** Milliseconds that the last group took to become committed. */
  readonly lastCommitMs: number
  readonly failed: boolean
}

/** The log can commit no more: a write or a sync failed, or the disk is full. */
export class LogFailed extends Error {
  override readonly name: string = 'LogFailed'
}

/** Another process leads: nothing that this one has appended and that is not committed yet will be, or it is found out by reading. */
export class Fenced extends LogFailed {
  override readonly name = 'Fenced'
}

/** A claim was refused: there are records that the claimant does not know, or another one has claimed. */
export class TailMoved extends Error {
  override readonly name = 'TailMoved'
}

/** The record asked for has been trimmed away. */
export class LogTrimmed extends Error {
  override readonly name = 'LogTrimmed'
  /** LSN of the oldest record that can still be read. */
  readonly first: number
  constructor(wanted: number, first: number) {
    super(`record ${wanted} has been trimmed from the log, which now begins with record ${first}`)
    this.first = first
  }
}

/** Bytes in the middle of the log are damaged: refuse to start, and say where. */
export class LogCorrupt extends Error {
  override readonly name = 'LogCorrupt'
  readonly file: string
  readonly offset: number
  constructor(message: string, file: string, offset: number) {
    super(`${message} (${file}, offset ${offset})`)
    this.file = file
    this.offset = offset
  }
}
