/**
 * A segment is one file of the log: a header page, then frames. Its name is the LSN of its first record, so a sorted
 * listing is the log in order. The header is durable before the file gets its name, and its page is never written again.
 */
import { crc32 } from 'node:zlib'
import { LogCorrupt } from './transaction-log.ts'

/** Frames start here: a page of its own keeps the header away from later writes. */
export const SEGMENT_HEADER_BYTES = 4096
const FORMAT_VERSION = 1
const FIELDS_BYTES = 64
const MAGIC = Buffer.from('MRNLOG\x1a\n', 'latin1')
const NAME = /^([0-9a-f]{12})\.log$/
const SPARE_NAME = /^spare-[0-9a-f]+\.tmp$/

export interface SegmentHeader {
  readonly logId: bigint
  readonly firstLsn: number
  /** Size of the file: every segment is preallocated, so a shorter file has been cut by someone else. */
  readonly segmentBytes: number
}

/** A header page; of another version only where a test needs one. */
export function encodeSegmentHeader(header: SegmentHeader, version = FORMAT_VERSION): Buffer {
  const page = Buffer.alloc(SEGMENT_HEADER_BYTES)
  MAGIC.copy(page, 0)
  page.writeUInt32LE(version, 8)
  page.writeBigUInt64LE(header.logId, 16)
  page.writeUIntLE(header.firstLsn, 24, 6)
  page.writeUIntLE(header.segmentBytes, 32, 6)
  page.writeUInt32LE(headerCrc(page), 12)
  return page
}

/** Reads a header page. Throws `LogCorrupt` when it is damaged, of a newer format, or not of this kind at all. */
export function decodeSegmentHeader(page: Buffer, file: string): SegmentHeader {
  if (page.length < FIELDS_BYTES) throw new LogCorrupt('the segment is shorter than its header', file, page.length)
  if (!page.subarray(0, MAGIC.length).equals(MAGIC)) throw new LogCorrupt('not a log segment: the magic is missing', file, 0)
  if (page.readUInt32LE(12) !== headerCrc(page)) throw new LogCorrupt("the segment's header is damaged", file, 0)
  const version = page.readUInt32LE(8)
  if (version !== FORMAT_VERSION) {
    throw new LogCorrupt(`the segment has format version ${version}; this program reads version ${FORMAT_VERSION}`, file, 8)
  }
  return { logId: page.readBigUInt64LE(16), firstLsn: page.readUIntLE(24, 6), segmentBytes: page.readUIntLE(32, 6) }
}

function headerCrc(page: Buffer): number {
  return crc32(page.subarray(16, FIELDS_BYTES), crc32(page.subarray(0, 12)))
}

export function segmentName(firstLsn: number): string {
  return `${firstLsn.toString(16).padStart(12, '0')}.log`
}

/** The first LSN in a segment's name, or undefined when it is not one. */
export function parseSegmentName(name: string): number | undefined {
  const match = NAME.exec(name)
  return match ? Number.parseInt(match[1]!, 16) : undefined
}

export function spareName(serial: number): string {
  return `spare-${serial.toString(16)}.tmp`
}

export function isSpareName(name: string): boolean {
  return SPARE_NAME.test(name)
}
