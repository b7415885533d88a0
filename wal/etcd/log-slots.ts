/**
 * Which slots a log in etcd has: its first and last, where a record lies, and how the head goes. Slots are removed with
 * DeleteRange, and etcd forgets their history with Compact, of a time that no reader can be behind. The last slots always
 * stay: by the last one a reader tells a log that was trimmed from a gap, and a put wants to see one behind which no more slots than may be in flight are empty.
 */
import { SLOTS_IN_FLIGHT_MAX } from '../shared/entries-in-flight.ts'
import type { EntryHeader } from '../shared/log-entry.ts'
import { lastLsnOf } from '../shared/log-entry.ts'
import { LogTrimmed } from '../transaction-log.ts'
import { readEntryHeader } from './entry-header.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import { compact, deleteRange, prefixRange, range } from './kv-methods.ts'
import type { LogKeys } from './log-keys.ts'
import type { SlotLook } from './slot-search.ts'
import { findRecord, findTail } from './slot-search.ts'

/** In one call, so that none takes long. */
export const SLOTS_PER_DELETE = 1000
/** Whoever watches is not behind by so much, or reads anew. */
const COMPACT_AFTER_MS = 10_000
const GUESSED_ENTRY_BYTES = 4096

const never = (): boolean => false

export class LogSlots implements SlotLook {
  readonly logId: bigint
  firstSlot = 1
  firstLsn = 1
  /** When the log was opened. */
  tailSlot = 0
  tailLsn = 0
  /** Whether the last slot had a part of a record that was not complete there. */
  endsWithin = false
  readonly #calls: EtcdCalls
  readonly #keys: LogKeys
  /** Revisions that were new at these times. */
  #revisions: { readonly revision: number; readonly ms: number }[] = []
  #compacted = 0
  #isGivenUp: () => boolean = never
  #entries = 0
  #entryBytes = 0

  private constructor(calls: EtcdCalls, keys: LogKeys, logId: bigint) {
    this.#calls = calls
    this.#keys = keys
    this.logId = logId
  }

  /** Rejects with `EtcdGivenUp` when `isGivenUp` says so before etcd has answered. */
  static async find(calls: EtcdCalls, keys: LogKeys, logId: bigint, isGivenUp: () => boolean): Promise<LogSlots> {
    const slots = new LogSlots(calls, keys, logId)
    slots.#isGivenUp = isGivenUp
    const tail = await slots.#tail()
    slots.#isGivenUp = never
    if (tail === undefined) return slots
    slots.tailSlot = tail.slot
    slots.tailLsn = lastLsnOf(tail.header)
    slots.endsWithin = tail.header.kind === 'part'
    return slots
  }

  async first(): Promise<number | undefined> {
    const { pairs } = await this.#calls.settled(range, { ...prefixRange(this.#keys.slots), limit: 1, keysOnly: true }, this.#isGivenUp)
    return pairs[0] === undefined ? undefined : this.#keys.slotOf(pairs[0].key)
  }

  async header(slot: number): Promise<EntryHeader | undefined> {
    const { pairs } = await this.#calls.settled(range, { key: this.#keys.slot(slot) }, this.#isGivenUp)
    return pairs[0] === undefined ? undefined : readEntryHeader(pairs[0].value, this.logId, slot)
  }

  async present(from: number, to: number): Promise<ReadonlySet<number>> {
    const { pairs } = await this.#calls.settled(
      range,
      { key: this.#keys.slot(from), end: this.#keys.slot(to), keysOnly: true },
      this.#isGivenUp,
    )
    return new Set(pairs.flatMap(({ key }) => this.#keys.slotOf(key) ?? []))
  }

  /** Looks where the log begins now. Resolves to whether it has a slot. */
  async refresh(): Promise<boolean> {
    for (;;) {
      const first = await this.first()
      if (first === undefined) return false
      const header = await this.header(first)
      // It may be trimmed at this very moment.
      if (header === undefined) continue
      this.firstSlot = first
      this.firstLsn = header.firstLsn
      return true
    }
  }

  /** Looks where the log begins and ends now; undefined when it has no slot. */
  async #tail(): Promise<{ readonly slot: number; readonly header: EntryHeader } | undefined> {
    while (await this.refresh()) {
      const slot = await findTail(this, this.firstSlot)
      const header = await this.header(slot)
      // Else it was trimmed where it was being searched.
      if (header !== undefined) return { slot, header }
    }
    return undefined
  }

  /** The slot from which on to read for the records above `after`. Throws `LogTrimmed` when the next one is gone. */
  async of(after: number): Promise<number> {
    const tail = await this.#tail()
    if (after + 1 < this.firstLsn) throw new LogTrimmed(after + 1, this.firstLsn)
    return tail === undefined ? 1 : findRecord(this, this.firstSlot, tail.slot, after)
  }

  /** An entry of so many bytes has come to the log. */
  written(bytes: number): void {
    this.#entries++
    this.#entryBytes += bytes
  }

  /** Bytes of the log, by what entries have on average. */
  bytesUpTo(tailSlot: number): number {
    const average = this.#entries === 0 ? GUESSED_ENTRY_BYTES : this.#entryBytes / this.#entries
    return Math.round((tailSlot - this.firstSlot + 1) * average)
  }

  /** Removes the slots that have nothing of a record above `upTo`. */
  async trim(upTo: number, tailSlot: number, nowMs: number, isGivenUp: () => boolean): Promise<void> {
    // The next slot to be filled is at most so far behind the first that stays.
    const end = Math.min(await findRecord(this, this.firstSlot, tailSlot, upTo), tailSlot + 1 - SLOTS_IN_FLIGHT_MAX)
    while (this.firstSlot < end) {
      const next = Math.min(this.firstSlot + SLOTS_PER_DELETE, end)
      const request = { key: this.#keys.slot(this.firstSlot), end: this.#keys.slot(next) }
      const { revision } = await this.#calls.settled(deleteRange, request, isGivenUp)
      this.firstSlot = next
      this.#revisions.push({ revision, ms: nowMs })
    }
    const header = await this.header(this.firstSlot)
    if (header !== undefined) this.firstLsn = header.firstLsn
    await this.#compact(nowMs, isGivenUp)
  }

  async #compact(nowMs: number, isGivenUp: () => boolean): Promise<void> {
    const old = this.#revisions.filter(({ ms }) => nowMs - ms >= COMPACT_AFTER_MS)
    const revision = old.at(-1)?.revision ?? 0
    if (revision <= this.#compacted) return
    this.#revisions = this.#revisions.filter((each) => !old.includes(each))
    this.#compacted = revision
    // Another process may have compacted further.
    await this.#calls.settled(compact, { revision, physical: false }, isGivenUp).catch(() => undefined)
  }
}
