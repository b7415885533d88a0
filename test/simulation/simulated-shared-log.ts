/**
 * The transaction log of one node over a log engine that it reaches by a link with faults. It keeps the contract of every log that is shared: what
 * it asks for it asks again until it knows the outcome, several groups are on their way at once, and followers know what news has reached them.
 */
import type { RecordReference } from '../../engine/mutation/record-buffer.ts'
import type { KnownLog } from '../../server/ports.ts'
import type { Leader, Leadership } from '../../wal/leadership.ts'
import type { Members } from '../../wal/members.ts'
import { TailWaiters } from '../../wal/tail-waiters.ts'
import type { LogBatch, LogStats, SyncPolicy, TransactionLog } from '../../wal/transaction-log.ts'
import { Fenced, LogFailed, TailMoved } from '../../wal/transaction-log.ts'
import type { ProcessClock } from './event-loop.ts'
import type { LogLink } from './log-link.ts'
import type { LogEngine, LogEntry, Written } from './shared-log-engine.ts'

const groupsInFlight = 4
/** After so long without an answer a request is sent again. */
const retryMs = 40
/** A claim without an answer is given up: nobody knows whether it has happened. */
const claimTries = 4
/** What is told beside the log is asked for once. */
const memberMs = 500

/** An entry of this leader on its way. */
interface Flight {
  readonly place: number
  readonly payloads: readonly Buffer[]
  readonly released: Buffer | undefined
  readonly lastLsn: number
  readonly bytes: number
  /** When it set out for the first time. */
  readonly setOutMs: number
  readonly done: () => void
}

export class SimulatedSharedLog implements TransactionLog, Leadership, Members {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: (failure: LogFailed) => void = () => undefined
  readonly logId = 1n
  readonly leadership = this
  readonly members = this
  readonly recordBytesMax = Number.POSITIVE_INFINITY
  readonly first = 1
  renewedMs = Number.NEGATIVE_INFINITY
  epoch = 0
  readonly #engine: LogEngine
  readonly #link: LogLink
  readonly #clock: ProcessClock
  /** Entries that have become known here, and of these, those that a reading has come to. */
  #known: number
  #read: number
  readonly #tail = new TailWaiters()
  #isTold = false
  readonly #forget: () => void
  #appended = 0
  #committed = 0
  #forming: Buffer[] = []
  #formingBytes = 0
  #flights: Flight[] = []
  #nextPlace = 0
  #renewing = false
  #released = false
  #failure: LogFailed | undefined
  #closed = false
  readonly #idle: (() => void)[] = []
  #groups = 0
  #writtenBytes = 0

  private constructor(engine: LogEngine, link: LogLink, clock: ProcessClock, known: number) {
    this.#engine = engine
    this.#link = link
    this.#clock = clock
    this.#known = known
    this.#read = known
    const forgetHealing = link.whenHealed(() => this.#hearNews())
    const forgetEntries = engine.watch(() => this.#hearNews())
    this.#forget = () => {
      forgetHealing()
      forgetEntries()
    }
    this.#hearNews()
  }

  /** Asks until the engine has answered what the newest entry is. */
  static open(engine: LogEngine, link: LogLink, clock: ProcessClock, known: KnownLog): Promise<SimulatedSharedLog> {
    return new Promise((resolve, reject) => {
      let isOpen = false
      const untilMs = clock.monotonicMs() + (known.patienceMs ?? Number.POSITIVE_INFINITY)
      const ask = (): void => {
        if (isOpen) return
        if (clock.monotonicMs() > untilMs) {
          isOpen = true
          reject(new LogFailed('the log does not answer'))
          return
        }
        link.ask(
          clock,
          () => engine.entries.length,
          (entries) => {
            if (isOpen) return
            isOpen = true
            if (engine.lastLsn < known.knownCommitted) reject(new Error('the shared log has lost records'))
            else resolve(new SimulatedSharedLog(engine, link, clock, entries))
          },
        )
        clock.after(retryMs, ask)
      }
      ask()
    })
  }

  get leader(): Leader | undefined {
    return this.#engine.entries[this.#known - 1]?.leader
  }

  get appended(): number {
    return this.epoch > 0 ? this.#appended : this.committed
  }

  get committed(): number {
    return this.epoch > 0 ? this.#committed : this.#lsnAt(this.#known)
  }

  get synced(): number {
    return this.committed
  }

  get pendingBytes(): number {
    return this.#flights.reduce((sum, { bytes }) => sum + bytes, this.#formingBytes)
  }

  #lsnAt(entries: number): number {
    return this.#engine.entries[entries - 1]?.lastLsn ?? 0
  }

  /** News come in order, one after the other; those that were lost come when the link is healed. */
  #hearNews(): void {
    if (this.#isTold || this.#closed) return
    const { length } = this.#engine.entries
    this.#isTold = true
    this.#link.tell(
      this.#clock,
      () => {
        this.#isTold = false
        this.#hear(length)
        if (this.#engine.entries.length > length) this.#hearNews()
      },
      () => {
        this.#isTold = false
      },
    )
  }

  #hear(known: number): void {
    if (known <= this.#known || this.#closed) return
    this.#known = known
    const { leader } = this
    if (this.epoch > 0 && leader !== undefined && leader.epoch > this.epoch) this.#fail(this.#fenced())
    this.#tail.wake()
  }

  claim(after: number, claim: Buffer): Promise<void> {
    if (this.#failure !== undefined || this.#closed) return Promise.reject(this.#failure ?? new LogFailed('the log is closed'))
    const read = this.#read
    if (this.#lsnAt(read) !== after) return Promise.reject(new TailMoved(`record ${this.#lsnAt(read)} is known here, not ${after}`))
    const setOutMs = this.#clock.monotonicMs()
    const nonce = ++this.#engine.nonces
    return new Promise((resolve, reject) => {
      let isOver = false
      let tries = 0
      const ask = (): void => {
        if (isOver) return
        if (tries++ === claimTries) {
          isOver = true
          reject(new Error('the log does not answer: nobody knows whether the claim has happened'))
          return
        }
        this.#link.ask(
          this.#clock,
          () => this.#engine.claim(read, claim, nonce),
          (epoch) => {
            if (isOver) return
            isOver = true
            if (this.#failure !== undefined || this.#closed) reject(this.#failure ?? new LogFailed('the log is closed'))
            else if (epoch === undefined) reject(new TailMoved('others have come before'))
            else {
              this.#leads(epoch, after, read + 1, setOutMs)
              resolve()
            }
          },
        )
        this.#clock.after(retryMs, ask)
      }
      ask()
    })
  }

  #leads(epoch: number, after: number, place: number, setOutMs: number): void {
    this.epoch = epoch
    this.#appended = after
    this.#committed = after
    this.#nextPlace = place
    this.renewedMs = setOutMs
    this.#hear(place)
  }

  renew(): void {
    if (this.#renewing || this.epoch === 0 || this.#released || this.#failure || this.#closed) return
    this.#renewing = true
    this.#send([], undefined, () => {
      this.#renewing = false
    })
  }

  async release(successor: Buffer): Promise<void> {
    if (this.#failure !== undefined || this.epoch === 0) throw this.#failure ?? new LogFailed('the log is not led from here')
    this.#released = true
    this.#flushAll()
    this.#send([], successor, () => undefined)
    await this.#whenIdle()
    if (this.#failure !== undefined) throw this.#failure
    // From here on it reads as others do, and may claim again.
    this.epoch = 0
    this.#released = false
    this.#hear(this.#nextPlace)
  }

  /** No checksum is carried: what nodes hold is compared itself. */
  noteChecksum(): () => undefined {
    return () => undefined
  }

  async end(): Promise<void> {
    throw new Error('this log stays')
  }

  abandon(): void {
    this.#fail(new LogFailed('the leadership was given up'))
  }

  append(payload: Buffer, start: number, end: number, references: readonly RecordReference[] = []): number {
    if (this.#failure || this.#closed) throw this.#failure ?? new LogFailed('the log is closed')
    if (this.epoch === 0 || this.#released) throw new LogFailed('the log is not led from here')
    const pieces: Uint8Array[] = []
    let next = start
    for (const { at, bytes } of references) {
      pieces.push(payload.subarray(next, at), bytes)
      next = at
    }
    pieces.push(payload.subarray(next, end))
    const record = Buffer.concat(pieces)
    this.#forming.push(record)
    this.#formingBytes += record.length
    this.#appended += 1
    return this.#appended
  }

  flush(): void {
    if (this.#failure || this.#forming.length === 0 || this.#flights.length >= groupsInFlight) return
    this.#flushAll()
  }

  #flushAll(): void {
    if (this.#forming.length === 0) return
    this.#formingBytes = 0
    this.#send(this.#forming.splice(0), undefined, () => undefined)
  }

  #send(payloads: readonly Buffer[], released: Buffer | undefined, done: () => void): void {
    const bytes = payloads.reduce((sum, { length }) => sum + length, 0)
    const lastLsn = this.#appended - this.#forming.length
    const flight = { place: this.#nextPlace++, payloads, released, lastLsn, bytes, setOutMs: this.#clock.monotonicMs(), done }
    this.#flights.push(flight)
    this.#ask(flight)
  }

  #ask(flight: Flight): void {
    if (this.#failure !== undefined || !this.#flights.includes(flight)) return
    const { place, payloads, released } = flight
    const { epoch } = this
    this.#link.ask(
      this.#clock,
      () => this.#engine.write(place, epoch, payloads, released),
      (outcome) => this.#answered(flight, outcome),
    )
    this.#clock.after(retryMs, () => this.#ask(flight))
  }

  #answered(flight: Flight, outcome: Written): void {
    if (this.#failure !== undefined || outcome === 'early') return
    if (outcome === 'fenced') {
      this.#fail(this.#fenced())
      return
    }
    // Entries are dense: those before it are written as well.
    for (let first = this.#flights[0]; first !== undefined && first.place <= flight.place; first = this.#flights[0]) {
      this.#flights.shift()
      this.#committedFlight(first)
    }
    if (this.#failure !== undefined) return
    this.flush()
    if (this.#flights.length === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #committedFlight({ payloads, lastLsn, bytes, setOutMs, done }: Flight): void {
    this.renewedMs = Math.max(this.renewedMs, setOutMs)
    done()
    if (payloads.length === 0) return
    this.#groups++
    this.#writtenBytes += bytes
    this.#committed = lastLsn
    this.onCommitted(lastLsn)
  }

  async *read(after: number, signal?: AbortSignal): AsyncGenerator<LogBatch> {
    let at = 0
    while (this.#lsnAt(at + 1) <= after && at < this.#known) at++
    this.#read = Math.max(this.#read, at)
    while (!this.#closed) {
      if (at >= this.#known) {
        if (!(await this.#tail.more(signal))) return
        continue
      }
      const { records, leader } = this.#engine.entries[at] as LogEntry
      at++
      this.#read = Math.max(this.#read, at)
      yield { records: records.filter(({ lsn }) => lsn > after), leader }
    }
  }

  announce(id: string, about: Buffer): Promise<void> {
    return this.#askOnce(() => void this.#engine.members.set(id, about))
  }

  withdraw(id: string): Promise<void> {
    return this.#askOnce(() => void this.#engine.members.delete(id))
  }

  all(): Promise<ReadonlyMap<string, Buffer>> {
    return this.#askOnce(() => new Map(this.#engine.members))
  }

  #askOnce<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#link.ask(this.#clock, work, resolve)
      this.#clock.after(memberMs, () => reject(new Error('the log does not answer')))
    })
  }

  async trim(): Promise<void> {}

  setSyncPolicy(_policy: SyncPolicy): void {}

  async sync(): Promise<void> {
    if (this.#failure) throw this.#failure
  }

  stats(): LogStats {
    return {
      segments: 1,
      bytes: this.#writtenBytes,
      groups: this.#groups,
      records: this.#committed,
      writtenBytes: this.#writtenBytes,
      lastGroupRecords: 0,
      lastCommitMs: 0,
      failed: this.#failure !== undefined,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    if (this.#failure === undefined && this.epoch > 0) {
      this.#flushAll()
      await this.#whenIdle()
    }
    this.#closed = true
    this.#forget()
    this.#tail.end()
    if (this.#failure) throw this.#failure
  }

  #whenIdle(): Promise<void> {
    if (this.#flights.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #fenced(): Fenced {
    return new Fenced('another process has claimed the log')
  }

  #fail(failure: LogFailed): void {
    if (this.#failure) return
    this.#failure = failure
    this.#flights = []
    for (const resolve of this.#idle.splice(0)) resolve()
    this.onFailed(failure)
  }
}
