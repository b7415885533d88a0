/**
 * The entries that a leader has sent and that are not committed yet. They reach their slots in any order; one is committed when it is there, and all
 * before it are.
 */
import type { EntryHeader, LogEntry } from './log-entry.ts'
import { isSign } from './log-entry.ts'

/** At most so many: a reader that finds an empty slot need not look further than that behind it. */
export const SLOTS_IN_FLIGHT_MAX = 16

export interface SentEntry {
  readonly header: EntryHeader
  /** 0 for a sign. */
  readonly bytes: number
  /** When it was sent for the first time. */
  readonly sentMs: number
  /** When the attempt set out that has put it there, as far as that is known: this process led then. Undefined while it is not there. */
  ledMs: number | undefined
}

export class EntriesInFlight {
  /** Of the entries that have something of records, each with its header. */
  bytes = 0
  /** When one was sent last. */
  sentMs = Number.NEGATIVE_INFINITY
  readonly #entries = new Map<number, SentEntry>()
  #firstSlot = 1
  #nextSlot = 1

  get size(): number {
    return this.#entries.size
  }

  /** The next slot is the first of a new epoch. */
  begin(slot: number): void {
    this.#entries.clear()
    this.bytes = 0
    this.#firstSlot = slot
    this.#nextSlot = slot
  }

  /** Returns the slot that the entry is for. */
  send({ header, bytes: { length } }: LogEntry, nowMs: number): number {
    const bytes = isSign(header) ? 0 : length
    this.sentMs = nowMs
    this.bytes += bytes
    this.#entries.set(this.#nextSlot, { header, bytes, sentMs: nowMs, ledMs: undefined })
    return this.#nextSlot++
  }

  arrived(slot: number, ledMs: number): void {
    const entry = this.#entries.get(slot)
    if (entry !== undefined) entry.ledMs = ledMs
  }

  /** Takes the oldest one, if it is committed. */
  takeCommitted(): SentEntry | undefined {
    const entry = this.#entries.get(this.#firstSlot)
    if (entry?.ledMs === undefined) return undefined
    this.#entries.delete(this.#firstSlot++)
    this.bytes -= entry.bytes
    return entry
  }
}
