/**
 * Records as they gather for the next entries: whole ones in one buffer, behind room for a header; one that is too large for
 * an entry is cut into parts. What comes out is bodies of entries in the order of their records; slots are given when they are sent.
 */
import type { RecordReference } from '../../engine/mutation/record-buffer.ts'
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES, RECORD_LENGTH_BYTES } from './log-entry.ts'

const BODY_BYTES_MAX = ENTRY_BYTES_MAX - ENTRY_HEADER_BYTES
const FIRST_BYTES = 4096

/** An entry without its header. */
export interface FormedEntry {
  /** With room for the header in front. */
  readonly bytes: Buffer
  readonly kind: 'records' | 'part' | 'lastPart'
  readonly firstLsn: number
  readonly records: number
}

export class FormingEntries {
  /** Bytes of payloads that wait. */
  pendingBytes = 0
  readonly #full: (FormedEntry | CutRecord)[] = []
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #fill = ENTRY_HEADER_BYTES
  #firstLsn = 0
  #records = 0

  get any(): boolean {
    return this.#records > 0 || this.#full.length > 0
  }

  /** Whether an entry waits that nothing more fits into. */
  get anyFull(): boolean {
    return this.#full.length > 0
  }

  append(payload: Buffer, start: number, end: number, lsn: number, references: readonly RecordReference[]): void {
    let length = end - start
    for (const { bytes } of references) length += bytes.length
    this.pendingBytes += length
    if (RECORD_LENGTH_BYTES + length > BODY_BYTES_MAX) {
      this.#close()
      // The payload's buffer is used again; what it refers to stays until the record is committed.
      const copy = Buffer.from(payload.subarray(start, end))
      const moved = references.map(({ at, bytes }) => ({ at: at - start, bytes }))
      this.#full.push(new CutRecord([...piecesOf(copy, 0, copy.length, moved)], length, lsn))
      return
    }
    if (this.#fill + RECORD_LENGTH_BYTES + length > ENTRY_BYTES_MAX) this.#close()
    if (this.#records === 0) this.#firstLsn = lsn
    this.#reserve(RECORD_LENGTH_BYTES + length)
    this.#bytes.writeUInt32LE(length, this.#fill)
    this.#fill += RECORD_LENGTH_BYTES
    if (references.length === 0) {
      payload.copy(this.#bytes, this.#fill, start, end)
      this.#fill += length
    } else {
      for (const piece of piecesOf(payload, start, end, references)) {
        this.#bytes.set(piece, this.#fill)
        this.#fill += piece.length
      }
    }
    this.#records++
  }

  /** The oldest entry, if there is one. */
  take(): FormedEntry | undefined {
    if (this.#full.length === 0) this.#close()
    const first = this.#full[0]
    if (!(first instanceof CutRecord)) return this.#full.shift() as FormedEntry | undefined
    const part = first.next()
    if (first.isDone) this.#full.shift()
    return part
  }

  #close(): void {
    if (this.#records === 0) return
    // The buffer is given away: a retry must send the same bytes.
    const bytes = this.#bytes.subarray(0, this.#fill)
    this.#full.push({ bytes, kind: 'records', firstLsn: this.#firstLsn, records: this.#records })
    this.#bytes = Buffer.allocUnsafe(FIRST_BYTES)
    this.#fill = ENTRY_HEADER_BYTES
    this.#records = 0
  }

  #reserve(bytes: number): void {
    const needed = this.#fill + bytes
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.min(ENTRY_BYTES_MAX, Math.max(needed, this.#bytes.length * 4)))
    this.#bytes.copy(grown, 0, 0, this.#fill)
    this.#bytes = grown
  }
}

/** A record that takes several entries, cut when they are sent: what it refers to is copied then, and not all at once. */
class CutRecord {
  readonly #lsn: number
  readonly #pieces: readonly Uint8Array[]
  #left: number
  #piece = 0
  #at = 0

  constructor(pieces: readonly Uint8Array[], length: number, lsn: number) {
    this.#pieces = pieces
    this.#left = length
    this.#lsn = lsn
  }

  get isDone(): boolean {
    return this.#left === 0
  }

  next(): FormedEntry {
    const bytes = Buffer.allocUnsafe(ENTRY_HEADER_BYTES + Math.min(this.#left, BODY_BYTES_MAX))
    for (let fill = ENTRY_HEADER_BYTES; fill < bytes.length; ) {
      const piece = this.#pieces[this.#piece]
      const count = Math.min(piece.length - this.#at, bytes.length - fill)
      bytes.set(piece.subarray(this.#at, this.#at + count), fill)
      fill += count
      this.#at += count
      this.#left -= count
      if (this.#at < piece.length) continue
      this.#piece++
      this.#at = 0
    }
    return { bytes, kind: this.isDone ? 'lastPart' : 'part', firstLsn: this.#lsn, records: 0 }
  }
}

/** A record's bytes in their order, as they lie. */
function* piecesOf(payload: Buffer, start: number, end: number, references: readonly RecordReference[]): Generator<Uint8Array> {
  let next = start
  for (const { at, bytes } of references) {
    yield payload.subarray(next, at)
    yield bytes
    next = at
  }
  yield payload.subarray(next, end)
}
