/**
 * What several processes share of a log in memory, and what survives a restart: entries in slots, and who has claimed them last. Entries that
 * have been sent and have not arrived are known here, too, because chance picks at a crash which of them are there.
 */
import type { Random } from '../engine/random.ts'
import type { Leader } from './leadership.ts'
import type { RunningChecksum } from './running-checksum.ts'
import { EntryAssembly } from './shared/entry-assembly.ts'
import type { Claimed, LogEnd } from './shared/entry-store.ts'
import type { LogEntry, PlacedEntry } from './shared/log-entry.ts'
import { checksumOf, ENTRY_HEADER_BYTES, lastLsnOf, RECORD_LENGTH_BYTES, reaches, signEntry } from './shared/log-entry.ts'
import { TailWaiters } from './tail-waiters.ts'
import type { LogRecord } from './transaction-log.ts'
import { LogTrimmed } from './transaction-log.ts'

export class MemoryLogDisk {
  /** Whether there is a log at all. */
  exists = true
  logId = 1n
  /** LSN of the oldest record, or of the next one when there is none. */
  first = 1
  /** Of the last record that is complete in a slot without a gap before it. */
  committed = 0
  /** Who has claimed the log last. */
  leader: Leader | undefined
  /** The running checksum that a leader has told last. */
  checksum: RunningChecksum | undefined
  /** What the processes tell of themselves. */
  readonly members = new Map<string, Buffer>()
  readonly tail = new TailWaiters()
  /** Logs opened before the newest crash are dead. */
  crashes = 0
  /** Of what is in slots. */
  bytes = 0
  readonly #entries = new Map<number, LogEntry>()
  #firstSlot = 1
  /** The last slot without a gap before it. */
  #tailSlot = 0
  /** On their way. */
  readonly #sent = new Map<LogEntry, number>()

  get end(): LogEnd {
    const endsWithin = this.#entries.get(this.#tailSlot)?.header.kind === 'part'
    return { tailSlot: this.#tailSlot, tailLsn: this.committed, endsWithin, leader: this.leader }
  }

  /** Payloads of the records from `first` on, those included that are on their way. */
  get records(): Buffer[] {
    const assembly = new EntryAssembly(this.first - 1)
    const records: LogRecord[] = []
    for (const entry of [...this.#from(this.#firstSlot), ...this.#onTheirWay()]) assembly.add(entry, records)
    return records.map(({ payload }) => payload)
  }

  /** LSN of the newest record that was sent. */
  get written(): number {
    return this.first + this.records.length - 1
  }

  /** Makes a log in the place of this one, that goes on behind the record `after`. */
  begin(logId: bigint, after: number): void {
    this.exists = true
    this.logId = logId
    this.#entries.clear()
    this.#sent.clear()
    this.bytes = 0
    this.#firstSlot = 1
    this.#tailSlot = 0
    this.first = after + 1
    this.committed = after
    this.leader = undefined
    this.checksum = undefined
  }

  /** An entry sets out for a slot. */
  send(slot: number, entry: LogEntry): void {
    this.#sent.set(entry, slot)
  }

  /** An entry that was sent never arrives. */
  lose(entry: LogEntry): void {
    this.#sent.delete(entry)
  }

  /** An entry that was sent arrives. Returns whether it was put into its slot: not when another process has claimed since. */
  arrive(entry: LogEntry, released?: Buffer): boolean {
    const slot = this.#sent.get(entry)
    this.#sent.delete(entry)
    if (slot === undefined || this.leader?.epoch !== entry.header.epoch || this.#entries.has(slot)) return false
    this.#fill(slot, entry)
    if (released !== undefined) this.leader = { ...this.leader, released }
    this.#advance()
    return true
  }

  /** Claims the log at the monotonic time `nowMs`, if `slot` is the next one. */
  claim(slot: number, claim: Buffer, nowMs: number): Claimed | undefined {
    if (slot !== this.#tailSlot + 1) return undefined
    // What a former leader has sent behind a gap.
    this.#emptyFrom(slot)
    const leader: Leader = { epoch: (this.leader?.epoch ?? 0) + 1, claim, released: undefined }
    this.leader = leader
    this.#fill(slot, signEntry('claim', leader.epoch, this.committed + 1))
    this.#advance()
    return { leader, ledMs: nowMs }
  }

  /** Removes the slots that have nothing of a record above `upTo`. */
  trim(upTo: number): void {
    for (let entry = this.#entries.get(this.#firstSlot); entry !== undefined; entry = this.#entries.get(this.#firstSlot)) {
      if (this.#firstSlot > this.#tailSlot || reaches(entry.header, upTo)) break
      this.#empty(this.#firstSlot++)
    }
    this.first = this.#entries.get(this.#firstSlot)?.header.firstLsn ?? this.committed + 1
  }

  /** The slot of the first part of record `after` + 1. Throws `LogTrimmed` when it is gone. */
  slotOf(after: number): number {
    if (after + 1 < this.first) throw new LogTrimmed(after + 1, this.first)
    for (const { slot, header } of this.#from(this.#firstSlot)) if (reaches(header, after)) return slot
    return this.#tailSlot + 1
  }

  /** The entries from a slot on, of which none is missing. Throws `LogTrimmed`, with slots for LSNs, when that of `slot` is gone. */
  readFrom(slot: number): PlacedEntry[] {
    if (slot < this.#firstSlot) throw new LogTrimmed(slot, this.#firstSlot)
    return [...this.#from(slot)]
  }

  /** Of what is on its way all is lost but a prefix of its records, of a length that chance picks. What is there afterwards is there for good. */
  crash(random: Random): void {
    const { written, committed } = this
    const kept = written - (random.nextUint32() % (written - committed + 1))
    for (const { slot, header, bytes } of this.#onTheirWay()) {
      const entry = upTo(kept, { header, bytes })
      if (entry === undefined || header.epoch !== this.leader?.epoch) break
      this.#empty(slot)
      this.#fill(slot, entry)
    }
    this.#advance()
    this.#emptyFrom(this.#tailSlot + 1)
    this.#sent.clear()
    this.crashes += 1
  }

  #fill(slot: number, entry: LogEntry): void {
    this.#entries.set(slot, entry)
    this.bytes += entry.bytes.length
  }

  #empty(slot: number): void {
    this.bytes -= this.#entries.get(slot)?.bytes.length ?? 0
    this.#entries.delete(slot)
  }

  #emptyFrom(slot: number): void {
    for (const each of this.#entries.keys()) if (each >= slot) this.#empty(each)
  }

  *#from(slot: number): Generator<PlacedEntry> {
    for (let at = slot; at <= this.#tailSlot; at++) {
      const entry = this.#entries.get(at)
      if (entry !== undefined) yield { slot: at, ...entry }
    }
  }

  /** What the leader has sent into the slots behind the last one, without a gap; some may be there, behind one that is not. */
  *#onTheirWay(): Generator<PlacedEntry> {
    const ahead = new Map(this.#entries)
    for (const [entry, slot] of this.#sent) if (entry.header.epoch === this.leader?.epoch) ahead.set(slot, entry)
    for (let slot = this.#tailSlot + 1, entry = ahead.get(slot); entry !== undefined; entry = ahead.get(++slot)) yield { slot, ...entry }
  }

  #advance(): void {
    for (let next = this.#entries.get(this.#tailSlot + 1); next !== undefined; next = this.#entries.get(this.#tailSlot + 1)) {
      this.#tailSlot++
      this.committed = Math.max(this.committed, lastLsnOf(next.header))
      this.checksum = checksumOf(next) ?? this.checksum
    }
    this.tail.wake()
  }
}

/** An entry without the records above `lsn`; undefined when nothing is left. */
function upTo(lsn: number, entry: LogEntry): LogEntry | undefined {
  const { header, bytes } = entry
  const { kind, firstLsn } = header
  if (firstLsn > lsn) return undefined
  if (kind !== 'records' || lastLsnOf(header) <= lsn) return entry
  let end = ENTRY_HEADER_BYTES
  for (let at = firstLsn; at <= lsn; at++) end += RECORD_LENGTH_BYTES + bytes.readUInt32LE(end)
  return { header: { ...header, records: lsn - firstLsn + 1 }, bytes: bytes.subarray(0, end) }
}
