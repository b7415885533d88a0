/**
 * What a log's files say when it is opened: which records are there, where the log ends, and whether a bad frame is the
 * tail that a crash tore or damage to what had been committed.
 *
 * The rule (`docs/formats/log.md`): every frame vouches for an LSN up to which all was durable when it was sealed. Only one
 * group is under way at a time, so whatever a crash tore lies above every vouched LSN. After the first bad frame, which
 * would hold LSN b, the rest of the last segment is searched for intact frame headers of b or later: one that vouches
 * for b or more proves that b had been durable, and the log is damaged; otherwise b and what follows were never
 * acknowledged as durable, and are cut. In an older segment there is no torn tail: it was durable before the next was begun.
 */
import type { File, FileSystem } from '../storage/file-system.ts'
import type { CrashHook } from './crash-points.ts'
import { FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, KIND_CLOSED, KIND_RECORDS, logSeed, looksLikeFrame } from './record.ts'
import type { SegmentHeader } from './segment.ts'
import { decodeSegmentHeader, isSpareName, parseSegmentName, SEGMENT_HEADER_BYTES } from './segment.ts'
import { SegmentReader } from './segment-reader.ts'
import { LogCorrupt } from './transaction-log.ts'

const PIECE_BYTES = 1 << 20

export interface FoundSegment {
  readonly name: string
  readonly path: string
  readonly header: SegmentHeader
}

export interface FoundLog {
  /** Oldest first; empty for a new log. */
  readonly segments: readonly FoundSegment[]
  /** Names of spare segments: those that were being made, and those that wait to be used again. */
  readonly spares: readonly string[]
  readonly logId: bigint | undefined
  /** LSN of the last whole record. */
  readonly lastLsn: number
  /** Offset in the last segment where the next frame goes. */
  readonly end: number
  /** Whether the last frame says that the log was closed there. */
  readonly closed: boolean
}

export interface RecoveryOptions {
  readonly files: FileSystem
  readonly directory: string
  /** Refuse a log with another id. */
  readonly logId: bigint | undefined
  readonly onProgress: ((bytesDone: number, bytesTotal: number) => void) | undefined
  readonly crashPoint: CrashHook
}

/**
 * Reads every segment, checks every frame, cuts a torn tail and makes durable what is kept. Throws `LogCorrupt` for
 * anything else that is not as it was written.
 */
export async function recoverLog(options: RecoveryOptions): Promise<FoundLog> {
  const { files, directory } = options
  const names = await files.list(directory)
  const spares = names.filter(isSpareName)
  const segments: FoundSegment[] = []
  for (const name of names) if (parseSegmentName(name) !== undefined) segments.push(await openSegment(files, directory, name))
  const first = segments[0]
  if (!first) return { segments, spares, logId: undefined, lastLsn: 0, end: 0, closed: false }

  const logId = options.logId ?? first.header.logId
  for (const { header, path } of segments) {
    if (header.logId !== logId) {
      throw new LogCorrupt(`the segment belongs to log ${header.logId.toString(16)}, not to log ${logId.toString(16)}`, path, 16)
    }
  }
  const bytesTotal = segments.reduce((sum, segment) => sum + segment.header.segmentBytes, 0)
  let bytesBefore = 0
  let found = { lastLsn: first.header.firstLsn - 1, end: SEGMENT_HEADER_BYTES, closed: false }
  for (const [index, segment] of segments.entries()) {
    const before = bytesBefore
    const progress = (bytes: number): void => options.onProgress?.(before + bytes, bytesTotal)
    const next = segments[index + 1]
    found = await recoverSegment(options, segment, next, logSeed(logId), progress)
    bytesBefore += segment.header.segmentBytes
    options.onProgress?.(bytesBefore, bytesTotal)
  }
  return { segments, spares, logId, ...found }
}

async function openSegment(files: FileSystem, directory: string, name: string): Promise<FoundSegment> {
  const path = `${directory}/${name}`
  const file = await files.open(path, { write: false })
  try {
    const page = Buffer.alloc(SEGMENT_HEADER_BYTES)
    const bytes = await file.read(page, 0)
    const header = decodeSegmentHeader(page.subarray(0, bytes), path)
    if (header.firstLsn !== parseSegmentName(name)) {
      throw new LogCorrupt(`the segment's header says that it begins with record ${header.firstLsn}, its name does not`, path, 24)
    }
    const size = await file.size()
    if (size < header.segmentBytes) {
      throw new LogCorrupt(`the segment has been cut: it holds ${size} of ${header.segmentBytes} bytes`, path, size)
    }
    return { name, path, header }
  } finally {
    await file.close()
  }
}

async function recoverSegment(
  options: RecoveryOptions,
  segment: FoundSegment,
  next: FoundSegment | undefined,
  seed: number,
  progress: (bytes: number) => void,
): Promise<Pick<FoundLog, 'lastLsn' | 'end' | 'closed'>> {
  const { path } = segment
  const file = await options.files.open(path, { write: next === undefined, durable: next === undefined })
  try {
    const scan = await scanFrames(file, segment.header, seed, progress)
    if (next) {
      const missing = scan.lastLsn + 1
      if (next.header.firstLsn === missing) return scan
      if (next.header.firstLsn > missing) {
        const what = `record ${missing} is damaged or missing, and the log goes on with record ${next.header.firstLsn} in ${next.name}`
        throw new LogCorrupt(what, path, scan.end)
      }
      throw new LogCorrupt(`records up to ${scan.lastLsn} precede a segment that begins with ${next.header.firstLsn}`, next.path, 24)
    }
    const later = await searchLaterFrames(file, segment.header, scan.end, scan.lastLsn + 1, seed)
    if (later.vouched > scan.lastLsn) {
      const what = `record ${scan.lastLsn + 1} is damaged: a later frame at offset ${later.vouchedAt} shows that it had been durable`
      throw new LogCorrupt(what, path, scan.end)
    }
    await rewrite(file, scan.unvouchedFrom, scan.end)
    options.crashPoint('open:tail-rewritten')
    await writeZeros(file, scan.end, later.end)
    options.crashPoint('open:tail-cut')
    return scan
  } finally {
    await file.close()
  }
}

interface Scan {
  readonly lastLsn: number
  /** Offset behind the last good frame. */
  readonly end: number
  /** Offset of the first frame that no later frame vouches for; `end` when there is none. */
  readonly unvouchedFrom: number
  /** Whether the last good frame is a closed one. */
  readonly closed: boolean
}

/** Reads frames from the start of a segment to the first that is not the one expected. */
async function scanFrames(file: File, segment: SegmentHeader, seed: number, progress: (bytes: number) => void): Promise<Scan> {
  const reader = new SegmentReader(file, SEGMENT_HEADER_BYTES, segment.segmentBytes, PIECE_BYTES)
  const header = new FrameHeader()
  let lastLsn = segment.firstLsn - 1
  let end = SEGMENT_HEADER_BYTES
  let closed = false
  const frameOffsets: number[] = []
  const frameLsns: number[] = []
  let unvouched = 0
  try {
    while (await reader.fill(FRAME_HEADER_BYTES)) {
      if (!header.decode(reader.buffer, reader.at, seed) || header.firstLsn !== lastLsn + 1) break
      if (header.kind !== KIND_RECORDS && header.kind !== KIND_CLOSED) break
      if (end + header.frameBytes > segment.segmentBytes || !(await reader.fill(header.frameBytes))) break
      if (!header.bodyIsIntact(reader.buffer, reader.at, seed)) break
      while (unvouched < frameLsns.length && frameLsns[unvouched]! <= header.vouched) unvouched += 1
      frameOffsets.push(end)
      frameLsns.push(header.lastLsn)
      lastLsn = header.lastLsn
      closed = header.kind === KIND_CLOSED
      reader.skip(header.frameBytes)
      end += header.frameBytes
      progress(end)
    }
  } finally {
    await reader.settle()
  }
  return { lastLsn, end, unvouchedFrom: frameOffsets[unvouched] ?? end, closed }
}

/**
 * Looks in `[from, end of the segment)` for intact frame headers whose LSN is at least `lsn`. Says the highest LSN they
 * vouch for and where, and the offset behind the last of them. Stale frames of a recycled segment have lower LSNs.
 */
async function searchLaterFrames(
  file: File,
  segment: SegmentHeader,
  from: number,
  lsn: number,
  seed: number,
): Promise<{ vouched: number; vouchedAt: number; end: number }> {
  const reader = new SegmentReader(file, from, segment.segmentBytes, PIECE_BYTES)
  const header = new FrameHeader()
  const found = { vouched: 0, vouchedAt: 0, end: from }
  try {
    while (await reader.fill(FRAME_HEADER_BYTES)) {
      const { buffer } = reader
      const start = reader.at
      const position = reader.position
      let at = start
      for (; at + FRAME_HEADER_BYTES <= reader.end; at += FRAME_ALIGNMENT) {
        if (!looksLikeFrame(buffer, at) || !header.decode(buffer, at, seed) || header.firstLsn < lsn) continue
        found.end = position + (at - start) + FRAME_HEADER_BYTES
        if (header.vouched <= found.vouched) continue
        found.vouched = header.vouched
        found.vouchedAt = position + (at - start)
      }
      reader.skip(at - start)
    }
  } finally {
    await reader.settle()
  }
  return found
}

/**
 * Writes the bytes of `[from, to)` again. They were read, but perhaps from memory only: the process that wrote them may
 * have died before they were durable, or after a failed sync that left the page cache claiming to be clean.
 */
async function rewrite(file: File, from: number, to: number): Promise<void> {
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, to - from))
  for (let at = from; at < to; at += piece.length) {
    const bytes = piece.subarray(0, Math.min(piece.length, to - at))
    const count = await file.read(bytes, at)
    await file.write(bytes.subarray(0, count), at)
  }
}

/** Durably zeros `[from, to)`. Torn itself, it leaves a log that is classified and cut in the same way. */
async function writeZeros(file: File, from: number, to: number): Promise<void> {
  const zeros = Buffer.alloc(Math.min(PIECE_BYTES, to - from))
  for (let at = from; at < to; at += zeros.length) await file.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at)
}
