/**
 * Reads committed records from the segments' files, in batches: as many records as one piece of a file holds. Payloads are
 * slices of the piece, which is read into again after the consumer has taken the next batch.
 *
 * Every frame is checked again while it is read: what was intact when the log was opened may have rotted since.
 */
import type { File, FileSystem } from '../storage/file-system.ts'
import { FRAME_HEADER_BYTES, FrameHeader, RECORD_HEADER_BYTES } from './record.ts'
import { SEGMENT_HEADER_BYTES } from './segment.ts'
import type { Segment, SegmentFiles } from './segment-files.ts'
import { SegmentReader } from './segment-reader.ts'
import type { LogRecord } from './transaction-log.ts'
import { LogCorrupt, LogTrimmed } from './transaction-log.ts'

/** Two of these are in memory for each reader: one being consumed, one being read ahead. */
const PIECE_BYTES = 2 << 20

/** Records `(after, until]`; `until` must be committed. */
export async function* readRecords(
  files: FileSystem,
  segments: SegmentFiles,
  seed: number,
  after: number,
  until: number,
): AsyncGenerator<LogRecord[]> {
  if (after >= until) return
  if (after + 1 < segments.firstLsn) throw new LogTrimmed(after + 1, segments.firstLsn)
  let segment = segments.find(after + 1)
  segment.readers += 1
  try {
    for (;;) {
      const following = segments.after(segment)?.firstLsn
      const file = await openSegment(files, segments, segment, Math.max(after + 1, segment.firstLsn))
      yield* readSegment(file, segment, seed, after, until, following)
      if (following === undefined || following > until) return
      const next = segments.after(segment)
      if (next?.firstLsn !== following) throw new LogTrimmed(following, segments.firstLsn)
      next.readers += 1
      segment.readers -= 1
      segment = next
    }
  } finally {
    segment.readers -= 1
  }
}

/** Opens a segment that may have been trimmed just before its file could be opened. */
async function openSegment(files: FileSystem, segments: SegmentFiles, segment: Segment, wanted: number): Promise<File> {
  try {
    return await files.open(segment.path, { write: false })
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT' && segments.firstLsn > wanted
    throw gone ? new LogTrimmed(wanted, segments.firstLsn) : error
  }
}

/** Closes `file` when it is done. */
async function* readSegment(
  file: File,
  segment: Segment,
  seed: number,
  after: number,
  until: number,
  nextFirstLsn: number | undefined,
): AsyncGenerator<LogRecord[]> {
  const reader = new SegmentReader(file, SEGMENT_HEADER_BYTES, segment.bytes, PIECE_BYTES)
  const header = new FrameHeader()
  const last = Math.min(until, nextFirstLsn === undefined ? until : nextFirstLsn - 1)
  let expected = segment.firstLsn
  let batch: LogRecord[] = []
  try {
    while (expected <= last) {
      // Filling may overwrite what the batch's payloads lie in, so the batch goes first.
      const wanted = frameBytesAt(reader, header, seed)
      if (wanted > reader.end - reader.at) {
        if (batch.length > 0) yield batch
        batch = []
        if (!(await reader.fill(wanted))) throw damaged(segment, reader, expected)
        continue
      }
      const intact = header.decode(reader.buffer, reader.at, seed) && header.bodyIsIntact(reader.buffer, reader.at, seed)
      if (!intact || header.firstLsn !== expected) throw damaged(segment, reader, expected)
      if (header.lastLsn > after) addRecords(batch, reader.buffer, reader.at, header, after)
      expected += header.records
      reader.skip(header.frameBytes)
    }
    if (batch.length > 0) yield batch
  } finally {
    await reader.settle()
    await file.close()
  }
}

/** How many bytes the frame at the reader's place takes, or those of a header as long as that is not there or not intact. */
function frameBytesAt(reader: SegmentReader, header: FrameHeader, seed: number): number {
  const there = reader.end - reader.at
  if (there < FRAME_HEADER_BYTES || !header.decode(reader.buffer, reader.at, seed)) return FRAME_HEADER_BYTES
  return header.frameBytes
}

function addRecords(batch: LogRecord[], bytes: Buffer, at: number, header: FrameHeader, after: number): void {
  let record = at + FRAME_HEADER_BYTES
  for (let lsn = header.firstLsn; lsn <= header.lastLsn; lsn += 1) {
    const start = record + RECORD_HEADER_BYTES
    record = start + bytes.readUInt32LE(record)
    if (lsn > after) batch.push({ lsn, payload: bytes.subarray(start, record) })
  }
}

function damaged(segment: Segment, reader: SegmentReader, lsn: number): LogCorrupt {
  return new LogCorrupt(`record ${lsn} is damaged`, segment.path, reader.position)
}
