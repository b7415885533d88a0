/**
 * How records lie in the log: `docs/formats/log.md` has the byte tables. A frame is a 32-byte header and a body of one or
 * more records, each a 32-bit length and the payload; frames start at multiples of 8. One checksum covers a whole body
 * because a call of zlib.crc32 costs more than copying a small payload: a frame is the unit that is whole or absent.
 *
 * Invariants: both checksums start from the log's id, and the header's covers the body's and the LSN, so a frame of
 * another log, or a stale one in a recycled segment, never passes for the one expected. A header is checked on its own:
 * a later intact header vouches for what was durable before it even if its body is torn.
 */
import { crc32 } from 'node:zlib'

export const FRAME_HEADER_BYTES = 32
export const RECORD_HEADER_BYTES = 4
/** Frames start at multiples of this many bytes. */
export const FRAME_ALIGNMENT = 8

/** A frame of records. */
export const KIND_RECORDS = 1
/** An empty frame that says, by its vouched LSN, that everything before it is durable: written at a clean close. */
export const KIND_CLOSED = 2

const MAGIC_LOW = 0x4d
const MAGIC_HIGH = 0x46

/** The checksum of a log id: what every checksum of that log starts from. */
export function logSeed(logId: bigint): number {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(logId)
  return crc32(bytes)
}

/** `bytes` rounded up to where the next frame may start. */
export function alignFrame(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

/** The fields of a frame's header; one object is decoded into again and again. */
export class FrameHeader {
  kind = 0
  /** Body bytes without padding. */
  bodyBytes = 0
  /** LSN of the first record; for an empty frame, of the next one to come. */
  firstLsn = 0
  /** Every record up to this LSN was durable when the frame was sealed. */
  vouched = 0
  records = 0
  bodyCrc = 0

  /** LSN of the last record; `firstLsn - 1` for an empty frame. */
  get lastLsn(): number {
    return this.firstLsn + this.records - 1
  }

  /** Header and body, padded. */
  get frameBytes(): number {
    return alignFrame(FRAME_HEADER_BYTES + this.bodyBytes)
  }

  /** Reads the header at `at` (32 bytes must be there); false when there is no intact header of this log. */
  decode(bytes: Buffer, at: number, seed: number): boolean {
    if (!looksLikeFrame(bytes, at)) return false
    if (bytes.readUInt32LE(at) !== crc32(bytes.subarray(at + 4, at + FRAME_HEADER_BYTES), seed)) return false
    this.kind = bytes[at + 6]!
    this.bodyCrc = bytes.readUInt32LE(at + 8)
    this.bodyBytes = bytes.readUInt32LE(at + 12)
    this.firstLsn = bytes.readUIntLE(at + 16, 6)
    this.vouched = bytes.readUIntLE(at + 22, 6)
    this.records = bytes.readUInt32LE(at + 28)
    return true
  }

  /** Whether the body behind the header decoded last, whose header starts at `at`, is what was written. */
  bodyIsIntact(bytes: Buffer, at: number, seed: number): boolean {
    const start = at + FRAME_HEADER_BYTES
    return crc32(bytes.subarray(start, start + this.bodyBytes), seed) === this.bodyCrc
  }
}

/** A cheap look at the magic before any checksum is computed. */
export function looksLikeFrame(bytes: Buffer, at: number): boolean {
  return bytes[at + 4] === MAGIC_LOW && bytes[at + 5] === MAGIC_HIGH
}

/**
 * Writes the header of the frame whose body already lies in `bytes` from `at + FRAME_HEADER_BYTES` to `bodyEnd`, and zeros
 * the padding. Returns where the frame ends, padding included.
 */
export function sealFrame(
  bytes: Buffer,
  at: number,
  bodyEnd: number,
  seed: number,
  kind: number,
  firstLsn: number,
  vouched: number,
  records: number,
): number {
  const bodyStart = at + FRAME_HEADER_BYTES
  const bodyCrc = crc32(bytes.subarray(bodyStart, bodyEnd), seed)
  writeFrameHeader(bytes, at, seed, kind, bodyEnd - bodyStart, bodyCrc, firstLsn, vouched, records)
  const end = at + alignFrame(bodyEnd - at)
  bytes.fill(0, bodyEnd, end)
  return end
}

/** Writes the 32 bytes of a frame's header at `at`, for a body whose checksum (started from `seed`) is known. */
export function writeFrameHeader(
  bytes: Buffer,
  at: number,
  seed: number,
  kind: number,
  bodyBytes: number,
  bodyCrc: number,
  firstLsn: number,
  vouched: number,
  records: number,
): void {
  bytes[at + 4] = MAGIC_LOW
  bytes[at + 5] = MAGIC_HIGH
  bytes[at + 6] = kind
  bytes[at + 7] = 0
  bytes.writeUInt32LE(bodyCrc, at + 8)
  bytes.writeUInt32LE(bodyBytes, at + 12)
  bytes.writeUIntLE(firstLsn, at + 16, 6)
  bytes.writeUIntLE(vouched, at + 22, 6)
  bytes.writeUInt32LE(records, at + 28)
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, at + FRAME_HEADER_BYTES), seed), at)
}
