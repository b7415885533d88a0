/**
 * A log in memory, for tests and simulation. It commits a group when its `schedule` says so, can hold commits back, fail,
 * and lose on a crash what was not committed, except a prefix of it that chance picks.
 *
 * The records live in a `MemoryLogDisk`, which outlives the logs opened on it: a restart is a new log over the same disk. Several
 * logs over one disk are several processes that share a log.
 */
import type { RecordReference } from '../engine/mutation/record-buffer.ts'
import type { Random } from '../engine/random.ts'
import type { Clock } from '../storage/clock.ts'
import type { Leader, Leadership } from './leadership.ts'
import type { Members } from './members.ts'
import type { RunningChecksum } from './running-checksum.ts'
import { checksumFrom, HistoryChecksum } from './running-checksum.ts'
import { TailWaiters } from './tail-waiters.ts'
import type { LogBatch, LogRecord, LogStats, SyncPolicy, TransactionLog } from './transaction-log.ts'
import { Fenced, LogFailed, LogTrimmed, TailMoved } from './transaction-log.ts'

/** Records in one batch of `read`. */
const BATCH_RECORDS = 1000

/** What survives a restart, and what several processes share. */
export class MemoryLogDisk {
  /** Whether there is a log at all. */
  exists = true
  logId = 1n
  /** LSN of `records[0]`. */
  first = 1
  /** Written records; those at the end may not be committed. */
  readonly records: Buffer[] = []
  committed = 0
  /** Who has claimed the log last. */
  leader: Leader | undefined
  /** The running checksum that a leader has told last. */
  checksum: RunningChecksum | undefined
  /** Signs of life of the leaders, claims among them. */
  signs = 0
  /** What the processes tell of themselves. */
  readonly members = new Map<string, Buffer>()
  readonly tail = new TailWaiters()
  /** Logs opened before the newest crash are dead. */
  crashes = 0

  /** Of the newest written record. */
  get written(): number {
    return this.first + this.records.length - 1
  }

  /** Makes a log in the place of this one, that goes on behind the record `after`. */
  begin(logId: bigint, after: number): void {
    this.exists = true
    this.logId = logId
    this.first = after + 1
    this.records.length = 0
    this.committed = after
    this.leader = undefined
    this.checksum = undefined
  }

  /** Loses a suffix, of a length that chance picks, of what was not committed. What is there afterwards is there for good. */
  crash(random: Random): void {
    const lost = random.nextUint32() % (this.written - this.committed + 1)
    this.records.length -= lost
    this.committed = this.written
    this.crashes += 1
  }
}

export interface MemoryLogOptions {
  readonly clock: Clock
  /** Runs the completion of a group, a claim or a sign of life later; a microtask unless told. */
  readonly schedule?: (work: () => void) => void
}

export class MemoryLog implements TransactionLog, Leadership, Members {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: (failure: LogFailed) => void = () => undefined
  readonly logId: bigint
  readonly leadership = this
  readonly members = this
  readonly recordBytesMax = Number.POSITIVE_INFINITY
  renewedMs = Number.NEGATIVE_INFINITY
  epoch = 0
  readonly #disk: MemoryLogDisk
  readonly #crashes: number
  readonly #clock: Clock
  readonly #schedule: (work: () => void) => void
  /** Appended, and not yet written. */
  #forming: Buffer[] = []
  /** As this process knows them while it leads. */
  #appended = 0
  #committed = 0
  #checksum = new HistoryChecksum(0, checksumFrom(0))
  #pendingBytes = 0
  #flying = false
  /** Of the leaders' signs those that were read here, or were there when the log was opened. */
  #seenSigns: number
  #renewing = false
  #released = false
  #held = false
  #release: (() => void) | undefined
  #nextFailure: Error | undefined
  #failure: LogFailed | undefined
  #closed = false
  #idle: (() => void)[] = []
  readonly #ended = new AbortController()
  #groups = 0
  #records = 0
  #writtenBytes = 0
  #lastGroupRecords = 0
  #lastCommitMs = 0

  constructor(disk: MemoryLogDisk, options: MemoryLogOptions) {
    this.#disk = disk
    this.logId = disk.logId
    this.#crashes = disk.crashes
    this.#seenSigns = disk.signs
    this.#clock = options.clock
    this.#schedule = options.schedule ?? queueMicrotask
  }

  /** Opens the log and claims it at once. */
  static lead(disk: MemoryLogDisk, options: MemoryLogOptions): MemoryLog {
    const log = new MemoryLog(disk, options)
    log.#lead(disk.committed, Buffer.alloc(0), options.clock.monotonicMs(), undefined)
    return log
  }

  get leader(): Leader | undefined {
    return this.#disk.leader
  }

  get appended(): number {
    return this.epoch > 0 ? this.#appended : this.#disk.committed
  }

  get committed(): number {
    return this.epoch > 0 ? this.#committed : this.#disk.committed
  }

  get synced(): number {
    return this.committed
  }

  get first(): number {
    return this.#disk.first
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  claim(after: number, claim: Buffer, checksum?: RunningChecksum): Promise<void> {
    const setOutMs = this.#clock.monotonicMs()
    // A sign that is heard from here on is of another one, which may answer for a lease.
    const signs = this.#seenSigns
    return new Promise((resolve, reject) => {
      this.#schedule(() => {
        const disk = this.#disk
        if (this.#failure || this.#closed || this.#isDead) return reject(this.#failure ?? new LogFailed('the log is closed'))
        if (disk.signs !== signs) return reject(new TailMoved('there was a sign of a leader that was not read'))
        if (disk.committed !== after) return reject(new TailMoved(`the log ends with record ${disk.committed}, not ${after}`))
        this.#lead(after, claim, setOutMs, checksum)
        resolve()
      })
    })
  }

  #lead(after: number, claim: Buffer, setOutMs: number, checksum: RunningChecksum | undefined): void {
    const disk = this.#disk
    // What a former leader has written and not committed goes.
    disk.records.length -= disk.written - after
    this.epoch = (disk.leader?.epoch ?? 0) + 1
    this.#appended = after
    this.#committed = after
    this.#checksum = new HistoryChecksum(after, checksum ?? checksumFrom(after))
    this.renewedMs = setOutMs
    disk.leader = { epoch: this.epoch, claim, released: undefined }
    disk.signs += 1
    this.#seenSigns = disk.signs
    disk.tail.wake()
  }

  renew(): void {
    if (this.#renewing || this.epoch === 0 || this.#released || this.#failure || this.#closed) return
    this.#renewing = true
    const setOutMs = this.#clock.monotonicMs()
    const checksum = this.#flying || this.#forming.length > 0 ? undefined : this.#checksum.now
    this.#schedule(() => {
      this.#renewing = false
      if (this.#isDead || this.#failure || this.#held) return
      if (this.#isFenced) this.#fail(this.#fenced())
      else this.#renewed(setOutMs, checksum)
    })
  }

  #renewed(setOutMs: number, checksum: RunningChecksum | undefined): void {
    this.#disk.checksum = checksum ?? this.#disk.checksum
    this.renewedMs = Math.max(this.renewedMs, setOutMs)
    this.#disk.signs += 1
    this.#disk.tail.wake()
  }

  noteChecksum(): () => RunningChecksum | undefined {
    const { now } = this.#checksum
    return () => now
  }

  async release(successor: Buffer): Promise<void> {
    const { leader } = this.#disk
    if (this.epoch === 0 || leader === undefined || this.#isFenced) throw this.#failure ?? this.#fenced()
    this.#released = true
    this.flush()
    if (this.#flying) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await new Promise<void>((resolve) => this.#schedule(resolve))
    if (this.#failure || this.#isFenced) throw this.#failure ?? this.#fenced()
    this.#disk.leader = { ...leader, released: successor }
    // From here on it reads as others do, and may claim again.
    this.epoch = 0
    this.#released = false
    this.#disk.signs += 1
    this.#disk.tail.wake()
  }

  async end(): Promise<void> {
    await new Promise<void>((resolve) => this.#schedule(resolve))
    if (this.epoch === 0 || this.#failure || this.#isFenced) throw this.#failure ?? this.#fenced()
    this.epoch = 0
    this.#disk.begin(0n, 0)
    this.#disk.exists = false
    this.#disk.members.clear()
  }

  abandon(): void {
    this.#fail(new LogFailed('the leadership was given up'))
    this.#flying = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  announce(id: string, about: Buffer): Promise<void> {
    return this.#later(() => void this.#disk.members.set(id, about))
  }

  withdraw(id: string): Promise<void> {
    return this.#later(() => void this.#disk.members.delete(id))
  }

  all(): Promise<ReadonlyMap<string, Buffer>> {
    return this.#later(() => new Map(this.#disk.members))
  }

  #later<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => this.#schedule(() => resolve(work())))
  }

  append(payload: Buffer, start: number, end: number, references: readonly RecordReference[] = []): number {
    if (this.#failure || this.#closed) throw this.#failure ?? new LogFailed('the log is closed')
    if (this.#isDead) throw new LogFailed('the log was lost in a crash')
    if (this.epoch === 0 || this.#released) throw new LogFailed('the log is not led from here')
    const record = wholeRecord(payload, start, end, references)
    this.#forming.push(record)
    this.#checksum.add(record)
    this.#pendingBytes += record.length
    this.#appended += 1
    return this.#appended
  }

  flush(): void {
    if (this.#flying || this.#failure || this.#isDead || this.#forming.length === 0) return
    if (this.#isFenced) {
      this.#schedule(() => this.#fail(this.#fenced()))
      return
    }
    this.#flying = true
    const upTo = this.#appended
    const bytes = this.#pendingBytes
    const checksum = this.#checksum.now
    const startMs = this.#clock.monotonicMs()
    this.#disk.records.push(...this.#forming.splice(0))
    this.#schedule(() => {
      const complete = (): void => this.#complete(upTo, bytes, startMs, checksum)
      if (this.#held) this.#release = complete
      else complete()
    })
  }

  /** Lets groups be written but not committed, until `letCommit`. */
  holdCommits(): void {
    this.#held = true
  }

  /** Commits the group that was held, and later ones as usual. */
  letCommit(): void {
    this.#held = false
    const complete = this.#release
    this.#release = undefined
    complete?.()
  }

  /** Makes the next group fail instead of being committed. */
  failNext(failure: Error): void {
    this.#nextFailure = failure
  }

  async *read(after: number, signal?: AbortSignal): AsyncGenerator<LogBatch> {
    const disk = this.#disk
    const ends = signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal])
    let signs = -1
    for (let lsn = after + 1; ; ) {
      if (lsn <= disk.committed) {
        if (lsn < disk.first) throw new LogTrimmed(lsn, disk.first)
        const records: LogRecord[] = []
        for (; lsn <= disk.committed && records.length < BATCH_RECORDS; lsn += 1) {
          records.push({ lsn, payload: disk.records[lsn - disk.first]! })
        }
        yield { records, leader: disk.leader, checksum: disk.checksum }
      } else if (disk.signs > signs && signs >= 0) {
        signs = disk.signs
        this.#seenSigns = signs
        yield { records: [], leader: disk.leader, checksum: disk.checksum }
      } else {
        signs = disk.signs
        this.#seenSigns = Math.max(this.#seenSigns, signs)
        if (!(await disk.tail.more(ends)) || this.#isDead) return
      }
    }
  }

  async trim(upTo: number): Promise<void> {
    const count = Math.min(upTo, this.committed) - this.#disk.first + 1
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
    this.#ended.abort()
    if (this.#failure) throw this.#failure
  }

  get #isDead(): boolean {
    return this.#crashes !== this.#disk.crashes
  }

  get #isFenced(): boolean {
    return this.#disk.leader?.epoch !== this.epoch
  }

  #fenced(): Fenced {
    return new Fenced(`another process has claimed the log, in epoch ${this.#disk.leader?.epoch}`)
  }

  #complete(upTo: number, bytes: number, startMs: number, checksum: RunningChecksum | undefined): void {
    if (this.#isDead || this.#failure) return
    this.#flying = false
    if (this.#isFenced) this.#fail(this.#fenced())
    else if (this.#nextFailure) {
      this.#fail(new LogFailed(`the log can commit no more: ${this.#nextFailure.message}`, { cause: this.#nextFailure }))
    } else {
      this.#groups += 1
      this.#lastGroupRecords = upTo - this.#committed
      this.#records += this.#lastGroupRecords
      this.#writtenBytes += bytes
      this.#pendingBytes -= bytes
      this.#lastCommitMs = this.#clock.monotonicMs() - startMs
      this.renewedMs = Math.max(this.renewedMs, startMs)
      this.#committed = upTo
      this.#disk.committed = upTo
      this.#disk.checksum = checksum
      this.onCommitted(upTo)
      this.#disk.tail.wake()
      this.flush()
    }
    if (this.#flying) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #fail(failure: LogFailed): void {
    if (this.#failure) return
    this.#failure = failure
    this.onFailed(failure)
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
