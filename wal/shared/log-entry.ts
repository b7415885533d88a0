/**
 * An entry of a log that several processes share: whole records, or a part of one that is too large for an entry, or a sign of the leader
 * without any. Slots are dense numbers from 1 on, and what lies in one never changes. A body of records is, for each, its length
 * (u32, little-endian) and the payload. In front of every body there is room for the header that a format may want there.
 */
import type { RunningChecksum } from '../running-checksum.ts'
import { CHECKSUM_BYTES, decodeChecksum, encodeChecksum } from '../running-checksum.ts'

/** Of the room in front of the body. */
export const ENTRY_HEADER_BYTES = 24
export const RECORD_LENGTH_BYTES = 4
/**
 * etcd takes more in one value, but everything about large ones is worse: latency, memory of its members, fail-over. And so an append
 * fits into the 65,535 bytes that a stream of HTTP/2 may send before the other side asks for more.
 */
export const ENTRY_BYTES_MAX = 63 * 1024

export type EntryKind = 'records' | 'part' | 'lastPart' | 'claim' | 'renewal' | 'release'

export interface EntryHeader {
  readonly kind: EntryKind
  readonly epoch: number
  /** LSN of the first record, or of the record that this is a part of; of a sign, the LSN of the next record. */
  readonly firstLsn: number
  /** Of whole records; 0 for others. */
  readonly records: number
}

export interface LogEntry {
  readonly header: EntryHeader
  /** Room for the header, then the body. */
  readonly bytes: Buffer
  /** So many bytes in front of `bytes`, in the same memory, are nobody else's: whoever sends the entry may write there what has to go before it. */
  readonly room?: number
}

export interface PlacedEntry extends LogEntry {
  readonly slot: number
}

/** An entry whose bytes are not what was written. */
export class EntryDamaged extends Error {
  override readonly name = 'EntryDamaged'
}

/** A sign of a leader, that tells the running checksum if one is given. */
export function signEntry(
  kind: 'claim' | 'renewal' | 'release',
  epoch: number,
  firstLsn: number,
  checksum?: RunningChecksum | undefined,
): LogEntry {
  const header: EntryHeader = { kind, epoch, firstLsn, records: 0 }
  if (checksum === undefined) return { header, bytes: Buffer.alloc(ENTRY_HEADER_BYTES) }
  const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + CHECKSUM_BYTES)
  encodeChecksum(checksum, bytes, ENTRY_HEADER_BYTES)
  return { header, bytes }
}

/** Whether it says only that its leader lives, or claims or gives up the lead. */
export function isSign({ kind }: EntryHeader): boolean {
  return kind === 'claim' || kind === 'renewal' || kind === 'release'
}

/** What an entry tells of the running checksum. */
export function checksumOf({ header: { kind }, bytes }: LogEntry): RunningChecksum | undefined {
  const tells = (kind === 'renewal' || kind === 'release') && bytes.length >= ENTRY_HEADER_BYTES + CHECKSUM_BYTES
  return tells ? decodeChecksum(bytes, ENTRY_HEADER_BYTES) : undefined
}

/** LSN of the newest record that is complete with this entry, or, for an earlier part, of that before the record. */
export function lastLsnOf({ kind, firstLsn, records }: EntryHeader): number {
  if (kind === 'records') return firstLsn + records - 1
  return kind === 'lastPart' ? firstLsn : firstLsn - 1
}

/** Whether there is something in it of a record above `after`. A part of a record counts for the record. */
export function reaches(header: EntryHeader, after: number): boolean {
  return header.kind === 'part' ? header.firstLsn > after : lastLsnOf(header) > after
}
