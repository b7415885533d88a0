/**
 * The header of an entry as it lies under a slot in etcd: `docs/formats/etcd-log.md` has the byte table. Its checksum starts from
 * the log's id and the slot, so that an entry of another log or from another slot never passes for the one expected.
 */
import { crc32 } from 'node:zlib'
import type { EntryHeader, EntryKind, LogEntry } from '../shared/log-entry.ts'
import { ENTRY_HEADER_BYTES, EntryDamaged } from '../shared/log-entry.ts'

const VERSION = 1

const kinds: readonly EntryKind[] = ['records', 'part', 'lastPart', 'claim', 'renewal', 'release']

/** Writes the header in front of the body. */
export function sealEntry({ header, bytes }: LogEntry, logId: bigint, slot: number): void {
  const { kind, epoch, firstLsn, records } = header
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

const seed = Buffer.alloc(16)

function checksum(bytes: Buffer, logId: bigint, slot: number): number {
  seed.writeBigUInt64LE(logId, 0)
  seed.writeUIntLE(slot, 8, 6)
  return crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4), crc32(seed)))
}
