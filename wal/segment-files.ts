/**
 * The log's segments as files: which there are, the one written to, how it is followed by the next, and how old ones go.
 *
 * Invariants: a segment gets its name only after its predecessor and its own header are durable, and is written to only
 * after the directory is; so only the last segment can have a torn tail, and none in the middle can be missing. Old
 * segments leave one by one, oldest first, each durably gone before the next; the last one always stays, and with it the
 * LSN. A segment that a reader has open is removed, not used again, so the reader's bytes stay what they were.
 */
import type { File, FileSystem } from '../storage/file-system.ts'
import type { CrashHook } from './crash-points.ts'
import { FRAME_HEADER_BYTES } from './record.ts'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from './segment.ts'
import type { SpareSegments } from './spare-segments.ts'

export interface Segment {
  readonly firstLsn: number
  readonly path: string
  readonly bytes: number
  /** Readers that have the file open. */
  readers: number
}

export interface SegmentFilesOptions {
  readonly files: FileSystem
  readonly directory: string
  readonly logId: bigint
  /** Bytes of an ordinary segment. */
  readonly segmentBytes: number
  readonly crashPoint: CrashHook
}

export class SegmentFiles {
  readonly #options: SegmentFilesOptions
  readonly #spares: SpareSegments
  /** Oldest first; the last is written to. */
  readonly #segments: Segment[]
  /** Where the next frame goes in the last segment. */
  #end: number
  #durable: File | undefined
  #plain: File | undefined
  #dirty = false
  /** The sync under way, or the one that failed. */
  #syncing: Promise<void> | undefined
  /** The trims so far. Never rejects. */
  #trimming: Promise<void> = Promise.resolve()
  #trimFailure: Error | undefined

  /** `active` is the last of `segments`, open for durable writes; `end` is where its next frame goes. */
  constructor(options: SegmentFilesOptions, spares: SpareSegments, segments: Segment[], end: number, active: File) {
    this.#options = options
    this.#spares = spares
    this.#segments = segments
    this.#end = end
    this.#durable = active
  }

  get count(): number {
    return this.#segments.length
  }

  /** LSN of the first record of the oldest segment. */
  get firstLsn(): number {
    return this.#segments[0]!.firstLsn
  }

  /** Bytes of disk that the segments hold, spares included. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, this.#spares.bytes)
  }

  /** Bytes of records' frames that still fit into the last segment; the room for the frame that closes the log is not theirs. */
  get room(): number {
    return this.#active.bytes - this.#end - FRAME_HEADER_BYTES
  }

  /** Whether the frame that closes the log fits. It does, unless the segment was filled by a program that did not keep room for it. */
  get canClose(): boolean {
    return this.#active.bytes - this.#end >= FRAME_HEADER_BYTES
  }

  /** Whether everything written so far is durable. */
  get isClean(): boolean {
    return !this.#dirty && !this.#syncing
  }

  get #active(): Segment {
    return this.#segments.at(-1)!
  }

  /** Appends frames that fit into the last segment, given in pieces that are `bytes` together, as one write; durable when it resolves if `durable`. */
  async write(pieces: readonly Uint8Array[], bytes: number, durable: boolean): Promise<void> {
    const at = this.#end
    if (durable) {
      await this.#durable!.writePieces(pieces, at)
    } else {
      this.#plain ??= await this.#options.files.open(this.#active.path, { write: true })
      this.#dirty = true
      await this.#plain.writePieces(pieces, at)
      // A sync that began while the write was under way may have missed it.
      this.#dirty = true
    }
    this.#ended(at + bytes)
  }

  /**
   * As a `write` that is not durable, but over when it returns. False, and nothing is written, when that cannot be: the file is
   * not open for it yet, or a sync is under way, behind which the system would let the write wait. The frames fit.
   */
  writeNow(pieces: readonly Uint8Array[], bytes: number): boolean {
    if (this.#plain === undefined || this.#syncing !== undefined) return false
    this.#dirty = true
    this.#plain.writePiecesNow(pieces, this.#end)
    this.#ended(this.#end + bytes)
    return true
  }

  /** Makes durable what was written before the call. After a failed sync all later ones fail too: what had been lost is unknown. */
  async sync(): Promise<void> {
    // One under way may have begun before the latest write; one that another caller begins after this one has ended will do.
    if (this.#syncing) await this.#syncing
    if (this.#dirty && !this.#syncing) {
      this.#dirty = false
      this.#syncing = this.#plain!.sync().then(() => {
        this.#syncing = undefined
      })
    }
    await this.#syncing
  }

  /** Begins a new segment whose first record is `firstLsn` and that has room for a frame of `frameBytes`. */
  async rotate(firstLsn: number, frameBytes: number): Promise<void> {
    const { crashPoint } = this.#options
    await this.sync()
    crashPoint('rotate:old-synced')
    const spare = await this.#spares.take(frameBytes + FRAME_HEADER_BYTES)
    const { segment, file } = await beginSegment(this.#options, spare, firstLsn)
    await this.closeActive()
    this.#durable = file
    // A segment without records has the name of its successor, and has just been replaced by it.
    if (this.#active.firstLsn === firstLsn) this.#segments.pop()
    this.#segments.push(segment)
    this.#end = SEGMENT_HEADER_BYTES
  }

  /** Closes the last segment's files, both of them even if one fails. */
  async closeActive(): Promise<void> {
    await this.#syncing?.catch(() => undefined)
    const closing = [this.#durable?.close(), this.#plain?.close()]
    this.#durable = undefined
    this.#plain = undefined
    for (const closed of await Promise.allSettled(closing)) if (closed.status === 'rejected') throw closed.reason
  }

  /** The segment that holds `lsn`, or the first one after it; keep it with `readers` while it is open. */
  find(lsn: number): Segment {
    let at = this.#segments.length - 1
    while (at > 0 && this.#segments[at]!.firstLsn > lsn) at -= 1
    return this.#segments[at]!
  }

  /** The segment after `segment`, if there is one. */
  after(segment: Segment): Segment | undefined {
    return this.#segments.find((other) => other.firstLsn > segment.firstLsn)
  }

  /**
   * Removes the segments whose records are all at or below `upTo`. A segment that the system does not let go stays the
   * first, and the next trim begins with it. After a failed sync of the directory every later trim rejects too: what is
   * durably gone is then unknown, and removing more could leave a hole.
   */
  trim(upTo: number): Promise<void> {
    const trimmed = this.#trimming.then(() => this.#trim(upTo))
    this.#trimming = trimmed.catch(() => undefined)
    return trimmed
  }

  /** Resolves when no trim is under way. */
  async settle(): Promise<void> {
    await this.#trimming
  }

  /** Frames have been written up to `end`. */
  #ended(end: number): void {
    this.#end = end
    if (end - SEGMENT_HEADER_BYTES > this.#active.bytes / 8) this.#spares.prepare()
  }

  async #trim(upTo: number): Promise<void> {
    const { files, directory, segmentBytes, crashPoint } = this.#options
    let removed = false
    if (this.#trimFailure !== undefined) throw this.#trimFailure
    while (this.#segments.length > 1 && this.#segments[1]!.firstLsn - 1 <= upTo) {
      const segment = this.#segments.shift()!
      const spare = segment.readers === 0 && segment.bytes === segmentBytes && this.#spares.hasRoom() ? this.#spares.nextPath() : undefined
      await (spare === undefined ? files.remove(segment.path) : files.rename(segment.path, spare)).catch((failure: Error) => {
        this.#segments.unshift(segment)
        throw failure
      })
      crashPoint('trim:taken-out')
      await files.syncDirectory(directory).catch((failure: Error) => {
        this.#trimFailure = failure
        throw failure
      })
      crashPoint('trim:directory-synced')
      if (spare !== undefined) this.#spares.recycle(spare)
      removed = true
    }
    if (removed) this.#spares.retry()
  }
}

/**
 * Turns a spare into the segment that begins with `firstLsn`: its header durable first, then its name. The file stays open
 * for durable writes.
 */
export async function beginSegment(
  options: SegmentFilesOptions,
  spare: { readonly path: string; readonly bytes: number },
  firstLsn: number,
): Promise<{ segment: Segment; file: File }> {
  const { files, directory, logId, crashPoint } = options
  const path = `${directory}/${segmentName(firstLsn)}`
  const file = await files.open(spare.path, { write: true, durable: true })
  try {
    await file.write(encodeSegmentHeader({ logId, firstLsn, segmentBytes: spare.bytes }), 0)
    crashPoint('rotate:header-written')
    await files.rename(spare.path, path)
    crashPoint('rotate:renamed')
    await files.syncDirectory(directory)
    crashPoint('rotate:directory-synced')
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  }
  return { segment: { firstLsn, path, bytes: spare.bytes, readers: 0 }, file }
}
