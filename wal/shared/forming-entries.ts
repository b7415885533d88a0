/**
 * Records as they gather for the next entries: whole ones in one buffer, behind room for a header; one that is too large for
 * an entry is cut into parts. What comes out is bodies of entries in the order of their records; slots are given when they are sent.
 *
 * The running checksum is continued as entries are taken, a whole body at a time: a body of records has the bytes that it is of.
 */
import { crc32 } from 'node:zlib'
import type { RecordReference } from '../../engine/mutation/record-buffer.ts'
import type { RunningChecksum } from '../running-checksum.ts'
import { checksumFrom, withLength } from '../running-checksum.ts'
import type { EntryHeader, LogEntry } from './log-entry.ts'
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES, RECORD_LENGTH_BYTES } from './log-entry.ts'

const BODY_BYTES_MAX = ENTRY_BYTES_MAX - ENTRY_HEADER_BYTES
const FIRST_BYTES = 4096
/** What is around an entry in a request, without its payload: so that it can be sent from where it lies. */
const ROOM_BYTES = 512

/** An entry that has no epoch yet. */
interface FormedEntry {
  readonly header: Omit<EntryHeader, 'epoch'>
  readonly bytes: Buffer
  readonly room: number
}

export class FormingEntries {
  /** Bytes of payloads that wait to be taken. */
  pendingBytes = 0
  /** Of the records that were taken; the first ones of a large record's parts do not count yet. */
  taken: RunningChecksum = checksumFrom(0)
  readonly #full: (FormedEntry | CutRecord)[] = []
  #bytes = roomy(FIRST_BYTES)
  #fill = ENTRY_HEADER_BYTES
  #firstLsn = 0
  #records = 0
  /** Continued by the parts of a record that was not taken whole; undefined when there is none. */
  #partly: number | undefined
  #notes: ChecksumNote[] = []

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

  /** The oldest entry, if there is one, as one of an epoch. */
  take(epoch: number): LogEntry | undefined {
    if (this.#full.length === 0) this.#close()
    const first = this.#full[0]
    if (first === undefined) return undefined
    const { header, bytes, room } = first instanceof CutRecord ? this.#takePart(first) : this.#takeWhole(first)
    this.pendingBytes -= bytes.length - ENTRY_HEADER_BYTES - header.records * RECORD_LENGTH_BYTES
    return { header: { ...header, epoch }, bytes, room }
  }

  #takeWhole(entry: FormedEntry): FormedEntry {
    const { header, bytes } = entry
    this.#full.shift()
    this.#took(header.firstLsn + header.records - 1, crc32(bytes.subarray(ENTRY_HEADER_BYTES), this.taken.value))
    return entry
  }

  #takePart(record: CutRecord): FormedEntry {
    const part = record.next()
    this.#partly = crc32(part.bytes.subarray(ENTRY_HEADER_BYTES), this.#partly ?? withLength(this.taken.value, record.length))
    if (record.isDone) {
      this.#full.shift()
      this.#took(part.header.firstLsn, this.#partly)
    }
    return part
  }

  /** Whether nothing of a record was taken of which there is more. */
  get isBetweenRecords(): boolean {
    return this.#partly === undefined
  }

  /** Tells the checksum of all records that came up to now, when they have been taken. */
  note(lsn: number): () => RunningChecksum | undefined {
    if (this.taken.lsn === lsn) {
      const { taken } = this
      return () => taken
    }
    // So that an entry ends with the record.
    this.#close()
    const note: ChecksumNote = { lsn, checksum: undefined }
    this.#notes.push(note)
    return () => note.checksum
  }

  #took(lsn: number, value: number): void {
    this.#partly = undefined
    this.taken = { since: this.taken.since, lsn, value }
    for (const note of this.#notes) if (note.lsn === lsn) note.checksum = this.taken
    if (this.#notes.length > 0) this.#notes = this.#notes.filter((note) => note.lsn > lsn)
  }

  #close(): void {
    if (this.#records === 0) return
    // The buffer is given away: a retry must send the same bytes.
    const bytes = this.#bytes.subarray(0, this.#fill)
    this.#full.push({ header: { kind: 'records', firstLsn: this.#firstLsn, records: this.#records }, bytes, room: ROOM_BYTES })
    // The next one will be about as large.
    this.#bytes = roomy(Math.min(ENTRY_BYTES_MAX, Math.max(FIRST_BYTES, this.#fill + (this.#fill >> 2))))
    this.#fill = ENTRY_HEADER_BYTES
    this.#records = 0
  }

  #reserve(bytes: number): void {
    const needed = this.#fill + bytes
    if (needed <= this.#bytes.length) return
    const grown = roomy(Math.min(ENTRY_BYTES_MAX, Math.max(needed, this.#bytes.length * 4)))
    this.#bytes.copy(grown, 0, 0, this.#fill)
    this.#bytes = grown
  }
}

interface ChecksumNote {
  readonly lsn: number
  checksum: RunningChecksum | undefined
}

/** A record that takes several entries, cut when they are sent: what it refers to is copied then, and not all at once. */
class CutRecord {
  readonly length: number
  readonly #lsn: number
  readonly #pieces: readonly Uint8Array[]
  #left: number
  #piece = 0
  #at = 0

  constructor(pieces: readonly Uint8Array[], length: number, lsn: number) {
    this.length = length
    this.#pieces = pieces
    this.#left = length
    this.#lsn = lsn
  }

  get isDone(): boolean {
    return this.#left === 0
  }

  next(): FormedEntry {
    const bytes = roomy(ENTRY_HEADER_BYTES + Math.min(this.#left, BODY_BYTES_MAX))
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
    return { header: { kind: this.isDone ? 'lastPart' : 'part', firstLsn: this.#lsn, records: 0 }, bytes, room: ROOM_BYTES }
  }
}

/** So many bytes, with room in front. */
function roomy(bytes: number): Buffer {
  return Buffer.allocUnsafe(ROOM_BYTES + bytes).subarray(ROOM_BYTES)
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
