/** The files of a log on this machine's disk as it is opened: those that are there, checked and cut where a crash tore them, or the first one of a new log. */
import type { Random } from '../engine/random.ts'
import type { FileSystem } from '../storage/file-system.ts'
import type { CrashHook } from './crash-points.ts'
import { recoverLog } from './recovery.ts'
import { SEGMENT_HEADER_BYTES } from './segment.ts'
import { beginSegment, SegmentFiles } from './segment-files.ts'
import { SpareSegments } from './spare-segments.ts'
import { LogCorrupt } from './transaction-log.ts'

export const SEGMENT_BYTES = 64 << 20
const SPARES_MAX = 4

export interface SegmentOptions {
  readonly files: FileSystem
  /** Draws the id of a new log. */
  readonly random: Random
  /** Holds the segments and nothing else of the log; made when missing. The caller keeps other processes away. */
  readonly directory: string
  /** The id of the log that belongs here; another one is refused. A new log gets this id, or one from `random`. */
  readonly logId?: bigint
  /** A record that is known from elsewhere to have been committed: a log that ends before it has lost its end and is refused. */
  readonly knownCommitted?: number
  /** Where the LSNs of a new log begin; 1 unless told. */
  readonly firstLsn?: number
  /** Size of a segment's file; 64 MiB unless told. A multiple of 4096, at least two pages. */
  readonly segmentBytes?: number
  /** Told of the progress of opening, in bytes of segments. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void
  readonly crashPoint?: CrashHook
}

export interface OpenedSegments {
  /** The id that all checksums of this log start from. */
  readonly logId: bigint
  readonly segments: SegmentFiles
  readonly spares: SpareSegments
  readonly lastLsn: number
  /** Whether a mark of a clean close stands behind the last record. */
  readonly closed: boolean
}

/** Throws `LogCorrupt` for damage that no crash explains, a foreign log id, or a newer format. */
export async function openSegments(options: SegmentOptions): Promise<OpenedSegments> {
  const { files, directory, segmentBytes = SEGMENT_BYTES, crashPoint = noCrashPoint } = options
  if (segmentBytes % 4096 !== 0 || segmentBytes < 2 * SEGMENT_HEADER_BYTES) throw new RangeError(`segments of ${segmentBytes} bytes`)
  await files.makeDirectory(directory)
  const found = await recoverLog({ files, directory, logId: options.logId, onProgress: options.onProgress, crashPoint })
  if (found.lastLsn < (options.knownCommitted ?? 0)) {
    const what = `the log ends with record ${found.lastLsn}, but record ${options.knownCommitted} had been committed`
    throw new LogCorrupt(what, found.segments.at(-1)?.path ?? directory, found.end)
  }
  const logId = found.logId ?? options.logId ?? randomLogId(options.random)
  const spares = new SpareSegments(files, directory, segmentBytes, SPARES_MAX, crashPoint)
  await spares.adopt(found.spares)
  const segmentOptions = { files, directory, logId, segmentBytes, crashPoint }
  if (found.segments.length > 0) {
    const list = found.segments.map(({ path, header }) => ({
      firstLsn: header.firstLsn,
      path,
      bytes: header.segmentBytes,
      readers: 0,
    }))
    // Names that the last run gave may be known to this process only.
    await files.syncDirectory(directory)
    const active = await files.open(list.at(-1)!.path, { write: true, durable: true })
    const segments = new SegmentFiles(segmentOptions, spares, list, found.end, active)
    return { logId, segments, spares, lastLsn: found.lastLsn, closed: found.closed }
  }
  const firstLsn = options.firstLsn ?? 1
  const { segment, file } = await beginSegment(segmentOptions, await spares.take(0), firstLsn)
  const segments = new SegmentFiles(segmentOptions, spares, [segment], SEGMENT_HEADER_BYTES, file)
  return { logId, segments, spares, lastLsn: firstLsn - 1, closed: false }
}

export function noCrashPoint(): void {}

function randomLogId(random: Random): bigint {
  return (BigInt(random.nextUint32()) << 32n) | BigInt(random.nextUint32())
}
