/**
 * What lies under a slot of the log in etcd: `docs/formats/etcd-log.md` has the byte table. An entry has whole records, or a
 * part of one that is too large for an entry, or a sign of the leader without any. Its checksum starts from the log's id and
 * the slot, so that an entry of another log or from another slot never passes for the one expected.
 */
import { crc32 } from 'node:zlib'
import type { RunningChecksum } from '../running-checksum.ts'
import { CHECKSUM_BYTES, decodeChecksum, encodeChecksum } from '../running-checksum.ts'

export const ENTRY_HEADER_BYTES = 24
export const RECORD_LENGTH_BYTES = 4
/** etcd takes more in one value, but everything about large ones is worse: latency, memory of its members, fail-over. */
export const ENTRY_BYTES_MAX = 64 * 1024

const VERSION = 1

export type EntryKind = 'records' | 'part' | 'lastPart' | 'claim' | 'renewal' | 'release'
const kinds: readonly EntryKind[] = ['records', 'part', 'lastPart', 'claim', 'renewal', 'release']

export interface EntryHeader {
  readonly kind: EntryKind
  readonly epoch: number
  /** LSN of the first record, or of the record that this is a part of; of a sign, the LSN of the next record. */
  readonly firstLsn: number
  /** Of whole records; 0 for others. */
  readonly records: number
}

/** An entry whose bytes are not what was written. */
export class EntryDamaged extends Error {
  override readonly name = 'EntryDamaged'
}

/** Writes the header in front of a body that lies behind the first 24 bytes of `bytes` already. */
export function sealEntry(bytes: Buffer, logId: bigint, slot: number, { kind, epoch, firstLsn, records }: EntryHeader): void {
  bytes[0] = VERSION
  bytes[1] = kinds.indexOf(kind)
  bytes.writeUInt16LE(0, 2)
  bytes.writeUIntLE(epoch, 8, 6)
  bytes.writeUIntLE(firstLsn, 14, 6)
  bytes.writeUInt32LE(records, 20)
  bytes.writeUInt32LE(checksum(bytes, logId, slot), 4)
}

/** Throws `EntryDamaged`, also when a later version has written it. */
export function readEntryHeader(bytes: Buffer, logId: bigint, slot: number): EntryHeader {
  if (bytes.length < ENTRY_HEADER_BYTES) throw new EntryDamaged(`slot ${slot} has ${bytes.length} bytes, too few for an entry`)
  if (bytes.readUInt32LE(4) !== checksum(bytes, logId, slot)) throw new EntryDamaged(`slot ${slot} does not match its checksum`)
  const kind = kinds[bytes[1]]
  if (bytes[0] !== VERSION || kind === undefined) throw new EntryDamaged(`slot ${slot} was written by a newer version`)
  return { kind, epoch: bytes.readUIntLE(8, 6), firstLsn: bytes.readUIntLE(14, 6), records: bytes.readUInt32LE(20) }
}

/** A sign of life, without its header, that tells the running checksum. */
export function signBytes(checksum: RunningChecksum | undefined): Buffer {
  if (checksum === undefined) return Buffer.alloc(ENTRY_HEADER_BYTES)
  const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + CHECKSUM_BYTES)
  encodeChecksum(checksum, bytes, ENTRY_HEADER_BYTES)
  return bytes
}

/** What an entry tells of the running checksum. */
export function checksumOf({ kind }: EntryHeader, bytes: Buffer): RunningChecksum | undefined {
  const tells = (kind === 'renewal' || kind === 'release') && bytes.length >= ENTRY_HEADER_BYTES + CHECKSUM_BYTES
  return tells ? decodeChecksum(bytes, ENTRY_HEADER_BYTES) : undefined
}

/** LSN of the newest record that is complete with this entry, or, for an earlier part, of that before the record. */
export function lastLsnOf({ kind, firstLsn, records }: EntryHeader): number {
  if (kind === 'records') return firstLsn + records - 1
  return kind === 'lastPart' ? firstLsn : firstLsn - 1
}

function checksum(bytes: Buffer, logId: bigint, slot: number): number {
  const seed = Buffer.alloc(16)
  seed.writeBigUInt64LE(logId, 0)
  seed.writeBigUInt64LE(BigInt(slot), 8)
  return crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4), crc32(seed)))
}
