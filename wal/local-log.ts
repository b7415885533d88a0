/**
 * The transaction log on this machine's disk: group commit over preallocated segments (`docs/formats/log.md`,
 * `docs/decisions/0001-local-log.md`).
 *
 * One group is written while the next one forms; under `always` a group is one durable write. A frame vouches for
 * `#synced`, the LSN up to which all is durable, which is what tells a torn tail from damage when the log is opened.
 *
 * Under `everysec` and `no` a small group is written at once, inside `flush`: the page cache takes it in less time than
 * handing it to another thread would (`docs/decisions/0014-writes-to-the-page-cache.md`).
 *
 * Checksums of what large records refer to are computed in slices, with the event loop let go in between, before the
 * group is written; the groups after it wait as they wait for the disk.
 *
 * Invariants: `committed` never goes back; under `always` it never passes `#synced`. The first failed write or sync ends all
 * committing: nothing is retried, because after a failed sync the kernel may report pages as clean that never arrived.
 */
import type { RecordReference } from '../engine/mutation/record-buffer.ts'
import type { Clock, Timer } from '../storage/clock.ts'
import type { FileSystem } from '../storage/file-system.ts'
import { CommitCounts } from './commit-counts.ts'
import type { CrashHook } from './crash-points.ts'
import { GroupBuffer } from './group-buffer.ts'
import { readRecords } from './log-reader.ts'
import type { OpenedSegments, SegmentOptions } from './opened-segments.ts'
import { noCrashPoint, openSegments, SEGMENT_BYTES } from './opened-segments.ts'
import { QuickWrites } from './quick-writes.ts'
import { FRAME_HEADER_BYTES, KIND_CLOSED, logSeed, sealFrame } from './record.ts'
import { SEGMENT_HEADER_BYTES } from './segment.ts'
import type { SegmentFiles } from './segment-files.ts'
import type { SpareSegments } from './spare-segments.ts'
import { TailWaiters } from './tail-waiters.ts'
import type { LogBatch, LogStats, SyncPolicy, TransactionLog } from './transaction-log.ts'
import { LogFailed } from './transaction-log.ts'

const FRAME_BYTES_MAX = 64 << 10
const GROUP_BUFFER_BYTES = 256 << 10
/** About a millisecond's worth of checksum. */
const DIGEST_BYTES = 1 << 20
const EVERYSEC_MS = 1000
/** Largest payload: whoever reads a record back addresses its bytes with signed 32-bit integers. */
const RECORD_BYTES_MAX = 2 ** 31 - 1
/** What is told to be the largest is less: who finds out beforehand what a record will hold does so roughly. */
const RECORD_SLACK_BYTES = 1 << 20
/** A group of up to so many bytes may be written by the event loop's own thread: less than half a millisecond's worth. */
const QUICK_BYTES_MAX = 1 << 20

export interface LocalLogOptions extends SegmentOptions {
  readonly clock: Clock
  readonly syncPolicy: SyncPolicy
  /** Bytes of large records that are checksummed without a pause; 1 MiB unless told. */
  readonly digestBytes?: number
  /** `recordBytesMax` of the log; somewhat less than 2 GiB unless told. */
  readonly recordBytesMax?: number
}

export class LocalLog implements TransactionLog {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: (failure: LogFailed) => void = () => undefined
  readonly recordBytesMax: number
  /** The directory's lock keeps others out. */
  readonly leadership = undefined
  readonly members = undefined
  /** The id that all checksums of this log start from. */
  readonly logId: bigint
  readonly #files: FileSystem
  readonly #clock: Clock
  readonly #segments: SegmentFiles
  readonly #spares: SpareSegments
  readonly #crashPoint: CrashHook
  readonly #seed: number
  readonly #digestBytes: number
  #policy: SyncPolicy
  #forming: GroupBuffer
  /** The group being written, or an empty one. */
  #flying: GroupBuffer
  #appended: number
  #committed: number
  /** Every record up to this LSN is durable. */
  #synced: number
  /** The commit loop, while it runs. */
  #running: Promise<void> | undefined
  #syncTimer: Timer | undefined
  readonly #quickWrites = new QuickWrites()
  #failure: LogFailed | undefined
  #closed = false
  readonly #tail = new TailWaiters()
  /** The last record when the log was opened, if a mark of a clean close stands behind it. */
  readonly #closedAt: number | undefined
  readonly #counts = new CommitCounts()

  private constructor(options: LocalLogOptions, { logId, segments, spares, lastLsn, closed }: OpenedSegments) {
    this.logId = logId
    this.#files = options.files
    this.#clock = options.clock
    this.#segments = segments
    this.#spares = spares
    this.#crashPoint = options.crashPoint ?? noCrashPoint
    this.#seed = logSeed(logId)
    this.#digestBytes = options.digestBytes ?? DIGEST_BYTES
    this.recordBytesMax = options.recordBytesMax ?? RECORD_BYTES_MAX - RECORD_SLACK_BYTES
    this.#policy = options.syncPolicy
    const frameBytesMax = Math.min(FRAME_BYTES_MAX, (options.segmentBytes ?? SEGMENT_BYTES) - SEGMENT_HEADER_BYTES - FRAME_HEADER_BYTES)
    this.#forming = new GroupBuffer(this.#seed, frameBytesMax, GROUP_BUFFER_BYTES)
    this.#flying = new GroupBuffer(this.#seed, frameBytesMax, GROUP_BUFFER_BYTES)
    this.#appended = lastLsn
    this.#committed = lastLsn
    this.#synced = lastLsn
    this.#forming.vouched = lastLsn
    this.#closedAt = closed ? lastLsn : undefined
  }

  /**
   * Opens the log in `options.directory`, or makes a new one. Cuts what a crash tore off the end; throws `LogCorrupt`, with file
   * and offset, for any other damage, a foreign log id, or a newer format.
   */
  static async open(options: LocalLogOptions): Promise<LocalLog> {
    return new LocalLog(options, await openSegments(options))
  }

  get appended(): number {
    return this.#appended
  }

  get committed(): number {
    return this.#committed
  }

  /** Every record up to this LSN is on the disk, whatever the sync policy. */
  get synced(): number {
    return this.#synced
  }

  get first(): number {
    return this.#segments.firstLsn
  }

  get pendingBytes(): number {
    return this.#forming.diskBytes + this.#flying.diskBytes
  }

  /** Why no segment could be made ahead of need, if so. Not a failure yet: the present segment still has room. */
  get spareFailure(): Error | undefined {
    return this.#spares.failure
  }

  append(payload: Buffer, start: number, end: number, references?: readonly RecordReference[]): number {
    if (this.#failure !== undefined || this.#closed) throw this.#failure ?? new LogFailed('the log is closed')
    let bytes = end - start
    if (references !== undefined) for (const reference of references) bytes += reference.bytes.length
    if (bytes > RECORD_BYTES_MAX) throw new RangeError(`a record of ${bytes} bytes; the log takes ${RECORD_BYTES_MAX}`)
    const lsn = this.#appended + 1
    this.#forming.append(payload, start, end, lsn, references)
    this.#appended = lsn
    return lsn
  }

  flush(): void {
    if (this.#running !== undefined) return
    while (this.#forming.records > 0 && this.#failure === undefined) {
      if (this.#writeNow()) continue
      this.#running = this.#run()
      return
    }
  }

  async *read(after: number, signal?: AbortSignal): AsyncGenerator<LogBatch> {
    let next = after
    do {
      const until = this.#committed
      for await (const records of readRecords(this.#files, this.#segments, this.#seed, next, until)) yield { records, leader: undefined }
      next = Math.max(next, until)
    } while (next < this.#committed || (await this.#tail.more(signal)))
  }

  trim(upTo: number): Promise<void> {
    return this.#segments.trim(Math.min(upTo, this.#committed))
  }

  setSyncPolicy(policy: SyncPolicy): void {
    this.#policy = policy
    if (policy === 'always') this.#startSync()
    else if (policy === 'everysec') this.#scheduleSync()
  }

  stats(): LogStats {
    const { count: segments, bytes } = this.#segments
    return { segments, bytes, ...this.#counts.figures, failed: this.#failure !== undefined }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    await this.#running
    this.#tail.end()
    this.#syncTimer?.cancel()
    await this.#spares.stop()
    await this.#segments.settle()
    try {
      if (!this.#failure) await this.#markClosed()
    } catch (error) {
      this.#fail(error as Error)
    }
    try {
      await this.#segments.closeActive()
    } catch (error) {
      this.#fail(error as Error)
    }
    if (this.#failure) throw this.#failure
  }

  /** Writes the forming group to the page cache here and now, if the policy asks for no more than that and it cannot take long. */
  #writeNow(): boolean {
    if (this.#policy === 'always' || this.#forming.diskBytes > QUICK_BYTES_MAX) return false
    const startMs = this.#clock.monotonicMs()
    if (!this.#quickWrites.mayWrite(startMs)) return false
    const group = this.#forming
    group.vouched = this.#synced
    group.finish()
    if (group.needsDigest || group.diskBytes > this.#segments.room) return false
    try {
      this.#crashPoint('group:before-write')
      if (!this.#segments.writeNow(group.pieces(0, group.fill), group.diskBytes)) return false
      this.#crashPoint('group:written')
    } catch (error) {
      this.#fail(error as Error)
      return true
    }
    this.#forming = this.#flying
    this.#flying = group
    const endMs = this.#clock.monotonicMs()
    this.#counts.lastCommitMs = endMs - startMs
    this.#quickWrites.wrote(endMs - startMs, endMs)
    this.#moveTo(this.#finishGroup())
    return true
  }

  /** Writes groups one after the other for as long as there are any. Never rejects. */
  async #run(): Promise<void> {
    try {
      let writing: Promise<void> | undefined = this.#startGroup()
      while (writing) {
        await writing
        // A sync in the background may have failed meanwhile, and this group stands behind what was lost.
        if (this.#failure !== undefined) return
        const committed = this.#finishGroup()
        // The disk gets its next group before the owner is told of this one, which may take a while.
        writing = this.#forming.records > 0 ? this.#startGroup() : undefined
        this.#moveTo(committed)
        if (!writing && this.#forming.records > 0) writing = this.#startGroup()
      }
    } catch (error) {
      this.#fail(error as Error)
    } finally {
      this.#running = undefined
    }
  }

  #moveTo(committed: number): void {
    this.#committed = committed
    this.onCommitted(committed)
    this.#tail.wake()
  }

  #startGroup(): Promise<void> {
    const group = this.#forming
    this.#forming = this.#flying
    this.#flying = group
    group.vouched = this.#synced
    group.finish()
    return this.#writeGroup(group, this.#clock.monotonicMs())
  }

  async #writeGroup(group: GroupBuffer, startMs: number): Promise<void> {
    if (group.needsDigest) await group.digest(this.#digestBytes, () => this.#turnEnd())
    this.#crashPoint('group:before-write')
    const durable = this.#policy === 'always'
    if (group.diskBytes <= this.#segments.room) await this.#segments.write(group.pieces(0, group.fill), group.diskBytes, durable)
    else await this.#writeAcrossSegments(group, durable)
    // The policy may have become stricter meanwhile, or just before: what was only written has to follow.
    if (this.#policy === 'always' && !this.#segments.isClean) await this.#segments.sync()
    this.#crashPoint('group:written')
    this.#counts.lastCommitMs = this.#clock.monotonicMs() - startMs
  }

  #turnEnd(): Promise<void> {
    return new Promise((resolve) => this.#clock.afterTurn(resolve))
  }

  /** Writes as many whole frames as fit, begins the next segment, and so on. */
  async #writeAcrossSegments(group: GroupBuffer, durable: boolean): Promise<void> {
    const ends = [...group.frameStarts.slice(1), group.fill]
    let from = 0
    for (let next = 0; next < ends.length; ) {
      let to = from
      let after = next
      while (after < ends.length && group.bytesBetween(from, ends[after]!) <= this.#segments.room) to = ends[after++]!
      if (to > from) {
        await this.#segments.write(group.pieces(from, to), group.bytesBetween(from, to), durable)
      } else {
        const firstLsn = group.bytes.readUIntLE(from + 16, 6)
        await this.#segments.rotate(firstLsn, group.bytesBetween(from, ends[next]!))
        this.#synced = firstLsn - 1
      }
      from = to
      next = after
    }
  }

  /** Books the group that has been written; returns the LSN that is now committed. */
  #finishGroup(): number {
    const group = this.#flying
    const { lastLsn } = group
    this.#counts.committed(group.records, group.diskBytes)
    if (this.#segments.isClean) this.#synced = lastLsn
    else if (this.#policy === 'everysec') this.#scheduleSync()
    group.reset()
    return lastLsn
  }

  #scheduleSync(): void {
    if (this.#syncTimer || this.#segments.isClean) return
    this.#syncTimer = this.#clock.after(EVERYSEC_MS, () => {
      this.#syncTimer = undefined
      this.#startSync()
    })
  }

  /** Resolves when every record that is committed now is on the disk, whatever the sync policy. Rejects when the disk fails. */
  async sync(): Promise<void> {
    if (this.#failure) throw this.#failure
    const written = this.#committed
    if (this.#synced >= written) return
    try {
      await this.#segments.sync()
    } catch (error) {
      this.#fail(error as Error)
      throw this.#failure
    }
    this.#synced = Math.max(this.#synced, written)
  }

  /** Syncs what has been written, in the background. */
  #startSync(): void {
    if (this.#failure || this.#closed || this.#segments.isClean) return
    this.sync().then(
      () => {
        if (this.#policy === 'everysec' && !this.#segments.isClean) this.#scheduleSync()
      },
      () => undefined,
    )
  }

  /** Makes everything durable and says so in the log, unless it ends with such a mark already. */
  async #markClosed(): Promise<void> {
    await this.#segments.sync()
    this.#synced = this.#committed
    if (this.#appended === this.#closedAt || !this.#segments.canClose) return
    const mark = Buffer.alloc(FRAME_HEADER_BYTES)
    sealFrame(mark, 0, FRAME_HEADER_BYTES, this.#seed, KIND_CLOSED, this.#committed + 1, this.#synced, 0)
    await this.#segments.write([mark], mark.length, true)
    this.#crashPoint('close:marked')
  }

  #fail(cause: Error): void {
    if (this.#failure) return
    this.#failure = new LogFailed(`the log can commit no more: ${cause.message}`, { cause })
    this.#syncTimer?.cancel()
    this.onFailed(this.#failure)
  }
}
