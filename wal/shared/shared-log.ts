/**
 * A transaction log that several processes share: which entries it is made of, who may write them, and what is committed. Where they lie
 * and how they are reached is the store's (`entry-store.ts`): a cluster of etcd, this process's memory, the simulation's network.
 *
 * Entries lie in dense slots. A leader sends each into the next one; several are in flight, and `committed` passes one when it is
 * there, and all before it are. A claim takes the slot behind the last that its process has read: so it wins only
 * if it knows everything, and what a former leader had sent behind a gap is gone. While another process leads, what is known here is what was there
 * when the log was opened, and what has been read since, to follow: a copy's reading may be ahead of what this process has heard of the leader.
 */
import type { RecordReference } from '../../engine/mutation/record-buffer.ts'
import type { Clock } from '../../storage/clock.ts'
import { CommitCounts } from '../commit-counts.ts'
import type { Leader, Leadership } from '../leadership.ts'
import type { Members } from '../members.ts'
import type { RunningChecksum } from '../running-checksum.ts'
import { checksumFrom } from '../running-checksum.ts'
import type { LogBatch, LogRecord, LogStats, ReadPurpose, SyncPolicy, TransactionLog } from '../transaction-log.ts'
import { Fenced, LogFailed, LogTrimmed, TailMoved } from '../transaction-log.ts'
import type { SentEntry } from './entries-in-flight.ts'
import { EntriesInFlight, SLOTS_IN_FLIGHT_MAX } from './entries-in-flight.ts'
import { EntryAssembly } from './entry-assembly.ts'
import type { Claimed, EntryStore, LogEnd } from './entry-store.ts'
import { FormingEntries } from './forming-entries.ts'
import type { LogEntry, PlacedEntry } from './log-entry.ts'
import { checksumOf, isSign, lastLsnOf, signEntry } from './log-entry.ts'

/** Entries in flight before a further one waits to become full. */
const PARTLY_FULL_IN_FLIGHT_MAX = 4
/** Entries that are sent before others get a turn of the event loop: about half a millisecond's worth when they are full. */
const SENT_PER_TURN_MAX = 4
/** So often the running checksum is told while there is always something to write. */
const CHECKSUM_MS = 1000
/** Records of more bytes are refused: a reader puts the parts together in one buffer. */
const RECORD_BYTES_MAX = 1 << 30

export class SharedLog<Store extends EntryStore = EntryStore> implements TransactionLog, Leadership {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: (failure: LogFailed) => void = () => undefined
  readonly leadership = this
  readonly recordBytesMax = RECORD_BYTES_MAX
  readonly store: Store
  epoch = 0
  renewedMs = Number.NEGATIVE_INFINITY
  readonly #clock: Clock
  readonly #forming = new FormingEntries()
  readonly #inFlight = new EntriesInFlight()
  readonly #ended = new AbortController()
  readonly #counts = new CommitCounts()
  #leader: Leader | undefined
  #appended = 0
  /** The last slot without a gap before it, as this process knows, and the last record that is complete there. */
  #tailSlot: number
  #tailLsn: number
  /** Whether the last slot has a part of a record that is not complete there. */
  #endsWithin: boolean
  /** When the running checksum was told last. */
  #toldMs = 0
  #renewing = false
  #flushesLater = false
  #released = false
  #isClosed = false
  #failure: LogFailed | undefined
  /** Those who wait until nothing is in flight. */
  #idle: (() => void)[] = []

  /** A log that ends as `end` says. */
  constructor(store: Store, clock: Clock, { tailSlot, tailLsn, endsWithin, leader }: LogEnd) {
    this.store = store
    this.#clock = clock
    this.#tailSlot = tailSlot
    this.#tailLsn = tailLsn
    this.#endsWithin = endsWithin
    this.#leader = leader
  }

  /** Opens a log whose last slot holds a claim that has just been made for this process. */
  static claimed<Store extends EntryStore>(store: Store, clock: Clock, end: LogEnd, claimed: Claimed): SharedLog<Store> {
    const log = new SharedLog(store, clock, end)
    log.#leads(end.tailSlot, claimed, undefined)
    return log
  }

  get logId(): bigint {
    return this.store.logId
  }

  get members(): Members {
    return this.store.members
  }

  get leader(): Leader | undefined {
    return this.#leader
  }

  get appended(): number {
    return this.epoch > 0 ? this.#appended : this.#tailLsn
  }

  get committed(): number {
    return this.#tailLsn
  }

  get synced(): number {
    return this.#tailLsn
  }

  get first(): number {
    return this.store.firstLsn
  }

  get pendingBytes(): number {
    return this.#forming.pendingBytes + this.#inFlight.bytes
  }

  async claim(after: number, claim: Buffer, checksum?: RunningChecksum): Promise<void> {
    if (this.#failure !== undefined || this.#isClosed) throw this.#failure ?? new LogFailed('the log is closed')
    if (after !== this.#tailLsn) throw new TailMoved(`the log ends with record ${this.#tailLsn}, not ${after}`)
    // What a reading meets from here on, another one's claim for instance, is not what the caller has decided by.
    const slot = this.#tailSlot + 1
    const claimed = await this.store.claim(slot, after, claim)
    if (claimed === undefined) throw new TailMoved('another process has appended or claimed')
    // A reading may have met the claim before its answer came.
    this.#leads(slot, claimed, checksum)
  }

  #leads(slot: number, { leader, ledMs }: Claimed, checksum: RunningChecksum | undefined): void {
    this.#leader = leader
    this.epoch = leader.epoch
    this.#appended = this.#tailLsn
    this.#forming.taken = checksum ?? checksumFrom(this.#tailLsn)
    this.#tailSlot = slot
    this.#endsWithin = false
    this.#inFlight.begin(slot + 1)
    this.#released = false
    this.renewedMs = ledMs
    this.#toldMs = ledMs
  }

  renew(): void {
    if (this.epoch === 0 || this.#renewing || this.#released || this.#failure !== undefined || this.#isClosed) return
    // Whatever is in flight renews as well.
    if (this.#inFlight.size > 0 || this.#forming.any) this.flush()
    else this.#sign()
  }

  noteChecksum(): () => RunningChecksum | undefined {
    return this.#forming.note(this.#appended)
  }

  /** Sends a sign of life with the running checksum of what was sent before. */
  #sign(): void {
    const { taken } = this.#forming
    this.#renewing = true
    this.#send(signEntry('renewal', this.epoch, taken.lsn + 1, taken))
    this.#toldMs = this.#inFlight.sentMs
  }

  /** While there is always something to write, nothing but this tells the checksum. */
  #signIfDue(): void {
    const isDue = this.#inFlight.sentMs - this.#toldMs >= CHECKSUM_MS && this.#forming.isBetweenRecords
    if (isDue && this.#inFlight.size < SLOTS_IN_FLIGHT_MAX) this.#sign()
  }

  async release(successor: Buffer): Promise<void> {
    const leader = this.#requireLead()
    this.#released = true
    this.flush()
    await this.#whenIdle()
    if (this.#failure !== undefined) throw this.#failure
    const slot = this.#tailSlot + 1
    const entry = signEntry('release', this.epoch, this.#appended + 1, this.#forming.taken)
    const ledMs = await this.#put(slot, entry, successor)
    if (ledMs === undefined) throw this.#failure ?? new LogFailed('the log is closed')
    this.#leader = { ...leader, released: successor }
    this.#tailSlot = slot
    this.#endsWithin = false
    // From here on it reads as others do, and may claim again.
    this.epoch = 0
    this.#released = false
  }

  async end(): Promise<void> {
    this.#requireLead()
    this.#released = true
    this.flush()
    await this.#whenIdle()
    if (!(await this.store.end(this.#tailSlot))) throw fenced()
    this.epoch = 0
  }

  #requireLead(): Leader {
    if (this.epoch > 0 && this.#failure === undefined && this.#leader !== undefined) return this.#leader
    throw this.#failure ?? new LogFailed('the log is not led from here')
  }

  abandon(): void {
    this.#fail(new LogFailed('the leadership was given up'))
  }

  append(payload: Buffer, start: number, end: number, references: readonly RecordReference[] = []): number {
    if (this.#failure !== undefined || this.#isClosed) throw this.#failure ?? new LogFailed('the log is closed')
    if (this.epoch === 0 || this.#released) throw new LogFailed('the log is not led from here')
    const lsn = ++this.#appended
    this.#forming.append(payload, start, end, lsn, references)
    return lsn
  }

  flush(): void {
    for (let sent = 0; !this.#flushesLater && this.#failure === undefined && this.#forming.any && this.#mayStart(); sent++) {
      if (sent === SENT_PER_TURN_MAX) this.#flushLater()
      else {
        this.#send(this.#forming.take(this.epoch) as LogEntry)
        this.#signIfDue()
      }
    }
  }

  #flushLater(): void {
    this.#flushesLater = true
    this.#clock.afterTurn(() => {
      this.#flushesLater = false
      this.flush()
    })
  }

  async *read(after: number, signal?: AbortSignal, purpose: ReadPurpose = 'follow'): AsyncGenerator<LogBatch> {
    const follows = purpose === 'follow'
    const ends = signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal])
    const assembly = new EntryAssembly(after)
    try {
      const slot = await this.#slotBehind(after)
      for await (const { entries, leader } of this.store.read(slot, ends)) {
        const records: LogRecord[] = []
        let checksum: RunningChecksum | undefined
        if (follows && leader !== undefined && leader.epoch >= (this.#leader?.epoch ?? 0)) this.#leader = leader
        for (const entry of entries) {
          assembly.add(entry, records)
          checksum = checksumOf(entry) ?? checksum
          if (follows) this.#seen(entry, assembly.lsn)
        }
        yield { records, leader: this.#leader, checksum }
      }
    } catch (failure) {
      // A store knows slots, not how far the records of this reading have come.
      if (failure instanceof LogTrimmed) throw new LogTrimmed(assembly.lsn + 1, this.store.firstLsn)
      throw failure
    }
  }

  /**
   * Where the reading of what lies behind a record begins. Never behind what this process has not read: its leader may have given signs since the
   * log was opened, and nobody can claim who has not read them. What is there of a record that is not complete is read again, for it is no use without its first parts.
   */
  async #slotBehind(after: number): Promise<number> {
    const next = this.#tailSlot + 1
    return after >= this.#tailLsn && !this.#endsWithin ? next : Math.min(await this.store.slotOf(after), next)
  }

  /** Who follows has come so far. */
  #seen({ slot, header }: PlacedEntry, lsn: number): void {
    if (this.epoch > 0 || slot <= this.#tailSlot) return
    this.#tailSlot = slot
    this.#endsWithin = header.kind === 'part'
    if (lsn > this.#tailLsn) this.#tailLsn = lsn
  }

  trim(upTo: number): Promise<void> {
    return this.store.trim(Math.min(upTo, this.#tailLsn), this.#tailSlot)
  }

  setSyncPolicy(_policy: SyncPolicy): void {
    // What is in the store is durable there.
  }

  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
  }

  stats(): LogStats {
    const bytes = this.store.bytesUpTo(this.#tailSlot)
    return { segments: 1, bytes, ...this.#counts.figures, failed: this.#failure !== undefined }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.flush()
    await this.#whenIdle()
    this.#isClosed = true
    this.#ended.abort()
    this.store.close()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** A few entries that are not full may be in flight, and more that are: so records gather while the store is slow. */
  #mayStart(): boolean {
    const { size } = this.#inFlight
    return size < PARTLY_FULL_IN_FLIGHT_MAX || (this.#forming.anyFull && size < SLOTS_IN_FLIGHT_MAX)
  }

  #send(entry: LogEntry): void {
    const slot = this.#inFlight.send(entry, this.#clock.monotonicMs())
    void this.#write(slot, entry)
  }

  /** Never rejects. */
  async #write(slot: number, entry: LogEntry): Promise<void> {
    const ledMs = await this.#put(slot, entry)
    if (ledMs !== undefined) this.#isThere(slot, ledMs)
  }

  /** As the store does, and undefined, too, when the log has failed, or does with this: nobody knows then what became of the entry. Never rejects. */
  async #put(slot: number, entry: LogEntry, released?: Buffer): Promise<number | undefined> {
    try {
      const ledMs = await this.store.put(slot, entry, () => this.#isGivenUp, released)
      if (ledMs === undefined) this.#fail(fenced())
      return this.#failure === undefined ? ledMs : undefined
    } catch (failure) {
      if (!this.#isClosed) this.#fail(new LogFailed(`the log can commit no more: ${(failure as Error).message}`, { cause: failure }))
      return undefined
    }
  }

  #isThere(slot: number, ledMs: number): void {
    this.#inFlight.arrived(slot, ledMs)
    const before = this.#tailLsn
    for (let sent = this.#inFlight.takeCommitted(); sent !== undefined; sent = this.#inFlight.takeCommitted()) this.#book(sent)
    if (this.#tailLsn > before) this.onCommitted(this.#tailLsn)
    if (this.#failure === undefined) this.flush()
    if (this.#inFlight.size > 0) return
    this.#renewing = false
    this.#wakeIdle()
  }

  /** The entry is committed. */
  #book({ header, bytes, sentMs, ledMs = sentMs }: SentEntry): void {
    this.#tailSlot++
    this.#endsWithin = header.kind === 'part'
    this.renewedMs = Math.max(this.renewedMs, ledMs)
    if (isSign(header)) {
      this.#renewing = false
      return
    }
    const lsn = lastLsnOf(header)
    this.#counts.committed(Math.max(0, lsn - this.#tailLsn), bytes)
    this.#counts.lastCommitMs = this.#clock.monotonicMs() - sentMs
    this.#tailLsn = Math.max(this.#tailLsn, lsn)
  }

  get #isGivenUp(): boolean {
    return this.#isClosed || this.#failure !== undefined
  }

  async #whenIdle(): Promise<void> {
    if (this.#failure === undefined && (this.#inFlight.size > 0 || this.#forming.any)) {
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
  }

  #wakeIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #fail(failure: LogFailed): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#wakeIdle()
    this.onFailed(failure)
  }
}

function fenced(): Fenced {
  return new Fenced('another process has claimed the log')
}
