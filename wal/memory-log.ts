/**
 * A log in memory, for tests and simulation. It commits a group when its `schedule` says so, can hold commits back, fail,
 * and lose on a crash what was not committed, except a prefix of it that chance picks.
 *
 * The records live in a `MemoryLogDisk`, which outlives the logs opened on it: a restart is a new log over the same disk.
 */
import type { RecordReference } from '../engine/mutation/record-buffer.ts'
import type { Random } from '../engine/random.ts'
import type { Clock } from '../storage/clock.ts'
import type { LogRecord, LogStats, SyncPolicy, TransactionLog } from './transaction-log.ts'
import { LogFailed, LogTrimmed } from './transaction-log.ts'

/** Records in one batch of `read`. */
const BATCH_RECORDS = 1000

/** What survives a restart. */
export class MemoryLogDisk {
  /** LSN of `records[0]`. */
  first = 1
  /** Written records; those at the end may not be committed. */
  readonly records: Buffer[] = []
  committed = 0
  /** Raised by a crash: logs opened before it are dead. */
  epoch = 0

  /** Loses a suffix, of a length that chance picks, of what was not committed. */
  crash(random: Random): void {
    const uncommitted = this.first + this.records.length - 1 - this.committed
    const lost = random.nextUint32() % (uncommitted + 1)
    this.records.length -= lost
    this.epoch += 1
  }
}

export interface MemoryLogOptions {
  readonly clock: Clock
  /** Runs the completion of a group later; a microtask unless told. */
  readonly schedule?: (work: () => void) => void
}

export class MemoryLog implements TransactionLog {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: (failure: Error) => void = () => undefined
  readonly recordBytesMax = Number.POSITIVE_INFINITY
  readonly #disk: MemoryLogDisk
  readonly #epoch: number
  readonly #clock: Clock
  readonly #schedule: (work: () => void) => void
  #appended: number
  #committed: number
  #pendingBytes = 0
  #flying = false
  #held = false
  #release: (() => void) | undefined
  #nextFailure: Error | undefined
  #failure: LogFailed | undefined
  #closed = false
  #idle: (() => void)[] = []
  #groups = 0
  #records = 0
  #writtenBytes = 0
  #lastGroupRecords = 0
  #lastCommitMs = 0

  constructor(disk: MemoryLogDisk, options: MemoryLogOptions) {
    this.#disk = disk
    this.#epoch = disk.epoch
    this.#clock = options.clock
    this.#schedule = options.schedule ?? queueMicrotask
    // What is there after a restart is there for good.
    disk.committed = disk.first + disk.records.length - 1
    this.#appended = disk.committed
    this.#committed = disk.committed
  }

  get appended(): number {
    return this.#appended
  }

  get committed(): number {
    return this.#committed
  }

  get first(): number {
    return this.#disk.first
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  append(payload: Buffer, start: number, end: number, references: readonly RecordReference[] = []): number {
    if (this.#failure || this.#closed) throw this.#failure ?? new LogFailed('the log is closed')
    if (this.#isDead) throw new LogFailed('the log was lost in a crash')
    const record = wholeRecord(payload, start, end, references)
    this.#disk.records.push(record)
    this.#pendingBytes += record.length
    this.#appended += 1
    return this.#appended
  }

  flush(): void {
    if (this.#flying || this.#failure || this.#isDead || this.#appended === this.#committed) return
    this.#flying = true
    const upTo = this.#appended
    const bytes = this.#pendingBytes
    const startMs = this.#clock.monotonicMs()
    this.#schedule(() => {
      const complete = (): void => this.#complete(upTo, bytes, startMs)
      if (this.#held) this.#release = complete
      else complete()
    })
  }

  /** Lets groups be written but not committed, until `release`. */
  hold(): void {
    this.#held = true
  }

  /** Commits the group that was held, and later ones as usual. */
  release(): void {
    this.#held = false
    const complete = this.#release
    this.#release = undefined
    complete?.()
  }

  /** Makes the next group fail instead of being committed. */
  failNext(failure: Error): void {
    this.#nextFailure = failure
  }

  async *read(after: number): AsyncGenerator<LogRecord[]> {
    const until = this.#committed
    for (let lsn = after + 1; lsn <= until; ) {
      const { first, records } = this.#disk
      if (lsn < first) throw new LogTrimmed(lsn, first)
      const batch: LogRecord[] = []
      for (; lsn <= until && batch.length < BATCH_RECORDS; lsn += 1) batch.push({ lsn, payload: records[lsn - first]! })
      yield batch
    }
  }

  async trim(upTo: number): Promise<void> {
    const count = Math.min(upTo, this.#committed) - this.#disk.first + 1
    if (count <= 0 || this.#isDead) return
    this.#disk.records.splice(0, count)
    this.#disk.first += count
  }

  setSyncPolicy(_policy: SyncPolicy): void {}

  /** What is committed here lasts. */
  async sync(): Promise<void> {
    if (this.#failure) throw this.#failure
  }

  stats(): LogStats {
    return {
      segments: 1,
      bytes: this.#disk.records.reduce((sum, record) => sum + record.length, 0),
      groups: this.#groups,
      records: this.#records,
      writtenBytes: this.#writtenBytes,
      lastGroupRecords: this.#lastGroupRecords,
      lastCommitMs: this.#lastCommitMs,
      failed: this.#failure !== undefined,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    if (this.#flying) await new Promise<void>((resolve) => this.#idle.push(resolve))
    if (this.#failure) throw this.#failure
  }

  get #isDead(): boolean {
    return this.#epoch !== this.#disk.epoch
  }

  #complete(upTo: number, bytes: number, startMs: number): void {
    if (this.#isDead) return
    this.#flying = false
    if (this.#nextFailure) {
      this.#failure = new LogFailed(`the log can commit no more: ${this.#nextFailure.message}`, { cause: this.#nextFailure })
      this.onFailed(this.#failure)
    } else {
      this.#groups += 1
      this.#lastGroupRecords = upTo - this.#committed
      this.#records += this.#lastGroupRecords
      this.#writtenBytes += bytes
      this.#pendingBytes -= bytes
      this.#lastCommitMs = this.#clock.monotonicMs() - startMs
      this.#committed = upTo
      this.#disk.committed = upTo
      this.onCommitted(upTo)
      this.flush()
    }
    if (this.#flying) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** A copy of a record with what it refers to in its places. */
function wholeRecord(payload: Buffer, start: number, end: number, references: readonly RecordReference[]): Buffer {
  const pieces: Uint8Array[] = []
  let next = start
  for (const { at, bytes } of references) {
    pieces.push(payload.subarray(next, at), bytes)
    next = at
  }
  pieces.push(payload.subarray(next, end))
  return Buffer.concat(pieces)
}
