/**
 * The transaction log in an etcd cluster, shared by all nodes of a shard (`docs/formats/etcd-log.md`,
 * `docs/decisions/0020-etcd-log.md`). Entries lie in dense slots. An append is a transaction: the slot is empty and the
 * epoch is mine, then put. So a slot never changes, no leader of an earlier epoch can write any more once another has
 * claimed, and an append of which the outcome is unknown is sent again, the same bytes to the same slot, until it is known.
 *
 * Several entries are in flight at once; `committed` passes an entry when all before it are there. Readers stop at a gap,
 * and a claim removes what a former leader has left behind one.
 */
import type { RecordReference } from '../../engine/mutation/record-buffer.ts'
import type { Random } from '../../engine/random.ts'
import type { Clock } from '../../storage/clock.ts'
import type { Leader, Leadership } from '../leadership.ts'
import type { Members } from '../members.ts'
import type { RunningChecksum } from '../running-checksum.ts'
import { checksumFrom } from '../running-checksum.ts'
import type { LogBatch, LogRecord, LogStats, SyncPolicy, TransactionLog } from '../transaction-log.ts'
import { Fenced, LogCorrupt, LogFailed, LogTrimmed, TailMoved } from '../transaction-log.ts'
import { EntryAssembly } from './entry-assembly.ts'
import { EtcdCalls, EtcdGivenUp } from './etcd-calls.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import { EtcdMembers } from './etcd-members.ts'
import type { FormedEntry } from './forming-entries.ts'
import { FormingEntries } from './forming-entries.ts'
import type { OperationReply, TxnRequest } from './kv-methods.ts'
import { prefixEnd, range, txn } from './kv-methods.ts'
import type { EntryHeader, EntryKind } from './log-entry.ts'
import { checksumOf, ENTRY_HEADER_BYTES, lastLsnOf, readEntryHeader, sealEntry, signBytes } from './log-entry.ts'
import { requireLogId } from './log-id.ts'
import type { EpochValue } from './log-keys.ts'
import { decodeEpoch, encodeEpoch, LogKeys } from './log-keys.ts'
import { LogSlots } from './log-slots.ts'
import { SlotReader } from './slot-reader.ts'
import { SLOTS_IN_FLIGHT_MAX } from './slot-search.ts'
import { SpaceRelief } from './space-relief.ts'

/** Entries in flight before a further one waits to become full. */
const PARTLY_FULL_IN_FLIGHT_MAX = 4
const CLAIM_MS_MAX = 3000
/** So often the running checksum is told while there is always something to write. */
const CHECKSUM_MS = 1000
/** Records of more bytes are refused: a reader puts the parts together in one buffer. */
const RECORD_BYTES_MAX = 1 << 30

export interface EtcdLogOptions {
  readonly endpoints: EtcdEndpoints
  readonly clock: Clock
  readonly random: Random
  /** Of all keys of this log: one cluster may serve several. */
  readonly prefix: string
  /** Refuses a log with another id. */
  readonly logId?: bigint
  /** Refuses a log that ends before this record, which is known to have been committed. */
  readonly knownCommitted?: number
  /** How long etcd may take to answer before opening is given up; for ever unless told. */
  readonly patienceMs?: number
}

interface InFlight {
  readonly header: EntryHeader
  readonly bytes: number
  /** When it was sent for the first time. */
  readonly sentMs: number
  /** When the attempt set out that has put it there, as far as that is known: this process led then. */
  ledMs: number
  isThere: boolean
}

export class EtcdLog implements TransactionLog, Leadership {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: (failure: LogFailed) => void = () => undefined
  readonly leadership = this
  readonly members: Members
  readonly recordBytesMax = RECORD_BYTES_MAX
  readonly logId: bigint
  epoch = 0
  renewedMs = Number.NEGATIVE_INFINITY
  readonly #calls: EtcdCalls
  readonly #clock: Clock
  readonly #random: Random
  readonly #keys: LogKeys
  readonly #slots: LogSlots
  readonly #forming = new FormingEntries()
  readonly #inFlight = new Map<number, InFlight>()
  readonly #ended = new AbortController()
  #leader: EpochValue | undefined
  /** The revision of the epoch's key when this process claimed: the fence of its appends. */
  #epochRevision = 0
  #appended = 0
  /** The last slot without a gap before it, as this process knows, and the last record that is complete there. */
  #tailSlot: number
  #tailLsn: number
  #nextSlot = 0
  /** When an entry set out last, and one with the running checksum. */
  #sentMs = 0
  #toldMs = 0
  #renewing = false
  #released = false
  #isClosed = false
  #failure: LogFailed | undefined
  #idle: (() => void)[] = []
  #pendingBytes = 0
  #groups = 0
  #records = 0
  #writtenBytes = 0
  #lastGroupRecords = 0
  #lastCommitMs = 0

  private constructor(options: EtcdLogOptions, calls: EtcdCalls, keys: LogKeys, slots: LogSlots, leader: EpochValue | undefined) {
    this.#calls = calls
    this.#clock = options.clock
    this.#random = options.random
    this.#keys = keys
    this.#slots = slots
    this.#leader = leader
    this.logId = slots.logId
    this.#tailSlot = slots.tailSlot
    this.#tailLsn = slots.tailLsn
    this.members = new EtcdMembers(calls, keys, () => this.#isClosed)
    const relief = new SpaceRelief(options.endpoints, options.clock, keys.id)
    calls.onNoSpace = () => relief.begin()
  }

  /** Opens the log, to read it; makes it when there is none. Throws `EtcdGivenUp` when etcd does not answer in time, `LogCorrupt` for a foreign log, or one that has lost records. */
  static async open(options: EtcdLogOptions): Promise<EtcdLog> {
    const calls = new EtcdCalls(options.endpoints, options.clock)
    const { patienceMs = Number.POSITIVE_INFINITY, clock } = options
    const untilMs = clock.monotonicMs() + patienceMs
    const isGivenUp = (): boolean => clock.monotonicMs() > untilMs
    const keys = new LogKeys(options.prefix)
    const logId = await requireLogId(calls, keys, options, isGivenUp)
    const slots = await LogSlots.find(calls, keys, logId, isGivenUp)
    const { knownCommitted = 0 } = options
    if (slots.tailLsn < knownCommitted) {
      const what = `the log in etcd ends with record ${slots.tailLsn}, but record ${knownCommitted} had been committed`
      throw new LogCorrupt(what, options.prefix, slots.tailSlot)
    }
    const { pairs } = await calls.settled(range, { key: keys.epoch }, isGivenUp)
    return new EtcdLog(options, calls, keys, slots, pairs[0] === undefined ? undefined : decodeEpoch(pairs[0].value))
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
    return this.#slots.firstLsn
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  async claim(after: number, claim: Buffer, checksum?: RunningChecksum): Promise<void> {
    if (this.#failure !== undefined || this.#isClosed) throw this.#failure ?? new LogFailed('the log is closed')
    if (after !== this.#tailLsn) throw new TailMoved(`the log ends with record ${this.#tailLsn}, not ${after}`)
    // What a reading meets from here on, another one's claim for instance, is not what the caller has decided by.
    const slot = this.#tailSlot + 1
    const setOutMs = this.#clock.monotonicMs()
    const isGivenUp = (): boolean => this.#isClosed || this.#clock.monotonicMs() - setOutMs > CLAIM_MS_MAX
    const { pairs } = await this.#calls.settled(range, { key: this.#keys.epoch }, isGivenUp)
    const former = pairs[0] === undefined ? undefined : decodeEpoch(pairs[0].value)
    const nonce = (BigInt(this.#random.nextUint32()) << 32n) | BigInt(this.#random.nextUint32())
    const value: EpochValue = { epoch: (former?.epoch ?? 0) + 1, nonce, claim, released: undefined }
    const request = this.#claimRequest(slot, after, value, pairs[0]?.modRevision ?? 0)
    const attemptsMs: number[] = []
    const reply = await this.#calls.settled(txn, request, isGivenUp, () => attemptsMs.push(this.#clock.monotonicMs()))
    const found = reply.succeeded ? undefined : pairOf(reply.replies[0])
    // The first of several attempts may have succeeded without our hearing of it.
    const isMine = reply.succeeded || (found !== undefined && decodeEpoch(found.value).nonce === nonce)
    if (!isMine) throw new TailMoved('another process has appended or claimed')
    // A reading may have met the claim before its answer came.
    this.#leader = value
    this.epoch = value.epoch
    this.#epochRevision = found?.modRevision ?? reply.revision
    this.#appended = after
    this.#forming.taken = checksum ?? checksumFrom(after)
    this.#tailSlot = slot
    this.#nextSlot = slot + 1
    this.#released = false
    this.renewedMs = (reply.succeeded ? attemptsMs.at(-1) : attemptsMs[0]) as number
  }

  renew(): void {
    if (this.epoch === 0 || this.#renewing || this.#released || this.#failure !== undefined || this.#isClosed) return
    // Whatever is in flight renews as well.
    if (this.#inFlight.size > 0 || this.#forming.any) {
      this.flush()
      return
    }
    this.#sign()
  }

  noteChecksum(): () => RunningChecksum | undefined {
    return this.#forming.note(this.#appended)
  }

  /** Sends a sign of life with the running checksum of what was sent before. */
  #sign(): void {
    const { taken } = this.#forming
    this.#renewing = true
    this.#send({ bytes: signBytes(taken), firstLsn: taken.lsn + 1, records: 0 }, 'renewal')
    this.#toldMs = this.#sentMs
  }

  /** While there is always something to write, nothing but this tells the checksum. */
  #signIfDue(): void {
    const isDue = this.#sentMs - this.#toldMs >= CHECKSUM_MS && this.#forming.isBetweenRecords
    if (isDue && this.#failure === undefined && this.#inFlight.size < SLOTS_IN_FLIGHT_MAX) this.#sign()
  }

  async release(successor: Buffer): Promise<void> {
    const leader = this.#leader
    if (this.epoch === 0 || leader === undefined || this.#failure !== undefined)
      throw this.#failure ?? new LogFailed('this process does not lead')
    this.#released = true
    this.flush()
    await this.#whenIdle()
    if (this.#failure !== undefined) throw this.#failure
    const slot = this.#nextSlot++
    const value: EpochValue = { ...leader, released: successor }
    const bytes = signBytes(this.#forming.taken)
    sealEntry(bytes, this.logId, slot, { kind: 'release', epoch: this.epoch, firstLsn: this.#appended + 1, records: 0 })
    const request = this.#appendRequest(slot, bytes)
    const reply = await this.#calls.settled(
      txn,
      { ...request, success: [...request.success, { kind: 'put', key: this.#keys.epoch, value: encodeEpoch(value) }] },
      () => this.#isClosed || this.#failure !== undefined,
    )
    if (!reply.succeeded && !isSame(reply.replies[0], bytes)) {
      this.#fail(this.#fenced())
      throw this.#fenced()
    }
    this.#leader = value
    this.#tailSlot = slot
    // From here on it reads as others do, and may claim again.
    this.epoch = 0
    this.#released = false
  }

  async end(): Promise<void> {
    if (this.epoch === 0 || this.#failure !== undefined) throw this.#failure ?? new LogFailed('this process does not lead')
    this.#released = true
    this.flush()
    await this.#whenIdle()
    // Most slots go a thousand at a time.
    await this.trim(this.#tailLsn)
    const { epoch, log, id, members } = this.#keys
    const all = [log, members].map((prefix) => ({ kind: 'deleteRange' as const, key: prefix, end: prefixEnd(prefix) }))
    const request: TxnRequest = {
      compares: [{ key: epoch, target: 'modRevision', is: 'equal', revision: this.#epochRevision }],
      success: [...all, { kind: 'deleteRange', key: id }],
      failure: [{ kind: 'range', key: id }],
    }
    const { succeeded, replies } = await this.#calls.settled(txn, request, () => this.#isClosed)
    if (!succeeded && pairOf(replies[0]) !== undefined) throw this.#fenced()
    this.epoch = 0
  }

  abandon(): void {
    this.#fail(new LogFailed('the leadership was given up'))
  }

  append(payload: Buffer, start: number, end: number, references: readonly RecordReference[] = []): number {
    if (this.#failure !== undefined || this.#isClosed) throw this.#failure ?? new LogFailed('the log is closed')
    if (this.epoch === 0 || this.#released) throw new LogFailed('the log is not led from here')
    const lsn = ++this.#appended
    const before = this.#forming.pendingBytes
    this.#forming.append(payload, start, end, lsn, references)
    this.#pendingBytes += this.#forming.pendingBytes - before
    return lsn
  }

  flush(): void {
    while (this.#failure === undefined && this.#forming.any && this.#mayStart()) {
      const entry = this.#forming.take() as FormedEntry
      this.#send(entry, entry.kind)
      this.#signIfDue()
    }
  }

  async *read(after: number, signal?: AbortSignal): AsyncGenerator<LogBatch> {
    const ends = signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal])
    const assembly = new EntryAssembly(after)
    try {
      if (ends.aborted) return
      const reader = new SlotReader(this.#calls, this.#keys, this.#clock, await this.#slots.of(after), ends)
      for await (const { entries, epoch } of reader.batches()) {
        const records: LogRecord[] = []
        let checksum: RunningChecksum | undefined
        if (epoch !== undefined && epoch.epoch >= (this.#leader?.epoch ?? 0)) this.#leader = epoch
        for (const { slot, bytes } of entries) {
          const header = readEntryHeader(bytes, this.logId, slot)
          assembly.add(header, bytes, slot, records)
          checksum = checksumOf(header, bytes) ?? checksum
          this.#seen(slot, assembly.lsn, bytes.length)
        }
        yield { records, leader: this.#leader, checksum }
      }
    } catch (failure) {
      if (failure instanceof EtcdGivenUp && ends.aborted) return
      if (!(failure instanceof LogTrimmed)) throw failure
      await this.#slots.refresh()
      throw new LogTrimmed(assembly.lsn + 1, this.#slots.firstLsn)
    }
  }

  async trim(upTo: number): Promise<void> {
    await this.#slots.trim(Math.min(upTo, this.#tailLsn), this.#tailSlot, this.#clock.monotonicMs(), () => this.#isClosed)
  }

  setSyncPolicy(_policy: SyncPolicy): void {
    // What etcd has acknowledged is durable on a majority of its members.
  }

  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
  }

  stats(): LogStats {
    return {
      segments: 1,
      bytes: this.#slots.bytesUpTo(this.#tailSlot),
      groups: this.#groups,
      records: this.#records,
      writtenBytes: this.#writtenBytes,
      lastGroupRecords: this.#lastGroupRecords,
      lastCommitMs: this.#lastCommitMs,
      failed: this.#failure !== undefined,
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.flush()
    await this.#whenIdle()
    this.#isClosed = true
    this.#ended.abort()
    this.#calls.close()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** A few entries that are not full may be in flight, and more that are: so records gather while etcd is slow. */
  #mayStart(): boolean {
    const { size } = this.#inFlight
    return size < PARTLY_FULL_IN_FLIGHT_MAX || (this.#forming.anyFull && size < SLOTS_IN_FLIGHT_MAX)
  }

  #send({ bytes, firstLsn, records }: Pick<FormedEntry, 'bytes' | 'firstLsn' | 'records'>, kind: EntryKind): void {
    const slot = this.#nextSlot++
    const header: EntryHeader = { kind, epoch: this.epoch, firstLsn, records }
    sealEntry(bytes, this.logId, slot, header)
    const sentMs = this.#clock.monotonicMs()
    this.#sentMs = sentMs
    this.#inFlight.set(slot, { header, bytes: bytes.length, sentMs, ledMs: sentMs, isThere: false })
    void this.#write(slot, bytes)
  }

  /** Never rejects. */
  async #write(slot: number, bytes: Buffer): Promise<void> {
    try {
      const request = this.#appendRequest(slot, bytes)
      let attemptMs = 0
      const isGivenUp = (): boolean => this.#failure !== undefined || this.#isClosed
      const { succeeded, replies } = await this.#calls.settled(txn, request, isGivenUp, () => {
        attemptMs = this.#clock.monotonicMs()
      })
      if (this.#failure !== undefined) return
      const entry = this.#inFlight.get(slot)
      // However long etcd was without a leader before.
      if (succeeded && entry !== undefined) entry.ledMs = attemptMs
      // An earlier attempt may have put it there.
      if (succeeded || isSame(replies[0], bytes)) this.#isThere(slot)
      else this.#fail(this.#fenced())
    } catch (failure) {
      if (!this.#isClosed) this.#fail(new LogFailed(`etcd takes no more: ${(failure as Error).message}`, { cause: failure }))
    }
  }

  #isThere(slot: number): void {
    const entry = this.#inFlight.get(slot)
    if (entry === undefined) return
    entry.isThere = true
    const before = this.#tailLsn
    for (let next = this.#inFlight.get(this.#tailSlot + 1); next?.isThere === true; next = this.#inFlight.get(this.#tailSlot + 1)) {
      this.#inFlight.delete(++this.#tailSlot)
      this.#book(next)
    }
    if (this.#tailLsn > before) this.onCommitted(this.#tailLsn)
    if (this.#failure === undefined) this.flush()
    if (this.#inFlight.size > 0) return
    this.#renewing = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** The entry is committed. */
  #book({ header, bytes, sentMs, ledMs }: InFlight): void {
    if (header.kind === 'renewal') this.#renewing = false
    this.renewedMs = Math.max(this.renewedMs, ledMs)
    this.#slots.written(bytes)
    this.#pendingBytes = Math.max(0, this.#pendingBytes - bytes)
    const lsn = lastLsnOf(header)
    if (header.kind === 'renewal') return
    this.#groups++
    this.#writtenBytes += bytes
    this.#lastGroupRecords = Math.max(0, lsn - this.#tailLsn)
    this.#records += this.#lastGroupRecords
    this.#lastCommitMs = this.#clock.monotonicMs() - sentMs
    this.#tailLsn = Math.max(this.#tailLsn, lsn)
    if (this.#tailLsn === this.#appended) this.#pendingBytes = 0
  }

  /** A reader has come so far. */
  #seen(slot: number, lsn: number, bytes: number): void {
    if (this.epoch > 0 || slot <= this.#tailSlot) return
    this.#tailSlot = slot
    if (lsn > this.#tailLsn) this.#tailLsn = lsn
    this.#slots.written(bytes)
  }

  #claimRequest(slot: number, after: number, value: EpochValue, revision: number): TxnRequest {
    const keys = this.#keys
    const bytes = Buffer.alloc(ENTRY_HEADER_BYTES)
    sealEntry(bytes, this.logId, slot, { kind: 'claim', epoch: value.epoch, firstLsn: after + 1, records: 0 })
    const key = keys.slot(slot)
    return {
      compares: [
        { key: keys.epoch, target: 'modRevision', is: 'equal', revision },
        { key, target: 'createRevision', is: 'equal', revision: 0 },
      ],
      success: [
        // What a former leader has sent behind a gap.
        { kind: 'deleteRange', key: keys.slot(slot + 1), end: prefixEnd(keys.slots) },
        { kind: 'put', key, value: bytes },
        { kind: 'put', key: keys.epoch, value: encodeEpoch(value) },
      ],
      failure: [{ kind: 'range', key: keys.epoch }],
    }
  }

  #appendRequest(slot: number, bytes: Buffer): TxnRequest {
    const key = this.#keys.slot(slot)
    return {
      compares: [
        { key, target: 'createRevision', is: 'equal', revision: 0 },
        { key: this.#keys.epoch, target: 'modRevision', is: 'equal', revision: this.#epochRevision },
      ],
      success: [{ kind: 'put', key, value: bytes }],
      failure: [{ kind: 'range', key }],
    }
  }

  async #whenIdle(): Promise<void> {
    if (this.#failure === undefined && (this.#inFlight.size > 0 || this.#forming.any)) {
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
  }

  #fenced(): Fenced {
    return new Fenced('another process has claimed the log')
  }

  #fail(failure: LogFailed): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    for (const resolve of this.#idle.splice(0)) resolve()
    this.onFailed(failure)
  }
}

function pairOf(reply: OperationReply | undefined): { readonly value: Buffer; readonly modRevision: number } | undefined {
  return reply?.kind === 'range' ? reply.pairs[0] : undefined
}

function isSame(reply: OperationReply | undefined, bytes: Buffer): boolean {
  return pairOf(reply)?.value.equals(bytes) === true
}
