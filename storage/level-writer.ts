/**
 * Writes to the LevelDB of the cold store, makes durable what was written, and mends what has failed.
 *
 * Durability (docs/decisions/0002-cold-store-durability.md). A synced write makes earlier writes durable only if they
 * stand in the same log file, and LevelDB changes to a new file, without syncing the old one, whenever its write buffer
 * is full. So `bufferedBytesMax` bounds from above what the write buffer can hold: while that is below its size no
 * change can have happened and `sync` is one synced write; otherwise `sync` makes LevelDB flush the buffer into a table.
 *
 * A failed write may leave half a record in the log file, behind which LevelDB would find nothing after a crash. So after
 * a failure nothing is written or called durable before the buffer is flushed and a new log file begun. Where LevelDB
 * refuses that (a failed sync is final for it) it is closed and opened again, and what it had in memory is brought across
 * (level-rescue.ts): whatever fails, a write that has resolved stays readable.
 */
import type { ClassicLevel } from 'classic-level'
import type { Clock } from './clock.ts'
import type { ColdBatch } from './cold-store.ts'
import { closedError } from './cold-store.ts'
import { probeDirectory } from './disk-probe.ts'
import { levelLogNumbers } from './level-directory.ts'
import type { LevelError } from './level-failure.ts'
import { ColdStoreUnusable, ColdStoreWriteFailed } from './level-failure.ts'
import type { Operation } from './level-figures.ts'
import { bufferBytesMax } from './level-figures.ts'
import { keyOf } from './level-format.ts'
import { LevelRescue } from './level-rescue.ts'
import { LevelThrottle } from './level-throttle.ts'
import type { LevelWatch } from './level-watch.ts'
import { RecentWrites } from './recent-writes.ts'

/** A range above every key, so that compacting it does nothing but flush the write buffer. */
const ABOVE_ALL = [Buffer.of(0xff, 0xfe), Buffer.of(0xff, 0xff)] as const
/** Room for what LevelDB writes besides the values when it mends a failure. */
const MEND_MARGIN_BYTES = 8 << 20

export interface LevelWriterOptions {
  readonly db: ClassicLevel<Buffer, Buffer>
  readonly directory: string
  readonly clock: Clock
  readonly writeBufferBytes: number
  /** As in `LevelColdStoreOptions`. */
  readonly diskReserveBytes: number | undefined
  readonly freeDiskBytes: (directory: string) => Promise<number>
  /** For the throttle of level 0. */
  readonly watch: LevelWatch
  /** Reads must not be under way while LevelDB is closed and opened again. */
  readonly reads: { pause(): Promise<void>; resume(): void }
  /** Closes LevelDB, and opens it again as what was there. */
  readonly close: () => Promise<void>
  readonly open: () => Promise<void>
  readonly onReopened: (reason: Error, restored: number) => void
}

export class LevelWriter {
  /** What is to be brought into LevelDB once it is open again; undefined when there is nothing. */
  rescue: LevelRescue | undefined
  /** Upper bound of the bytes in LevelDB's write buffer since it was last known to be empty. */
  bufferedBytesMax = 0
  logSyncs = 0
  flushes = 0
  reopenings = 0
  readonly #db: ClassicLevel<Buffer, Buffer>
  readonly #directory: string
  readonly #writeBufferBytes: number
  readonly #diskReserveBytes: number
  readonly #freeDiskBytes: (directory: string) => Promise<number>
  readonly #reads: LevelWriterOptions['reads']
  readonly #close: () => Promise<void>
  readonly #open: () => Promise<void>
  readonly #onReopened: (reason: Error, restored: number) => void
  readonly #recent: RecentWrites
  readonly #throttle: LevelThrottle
  #closed = false
  /** The part of `bufferedBytesMax` that is still being written. */
  #writingBytesMax = 0
  #newestId = 0
  /** Failed writes and syncs so far, and how many of them a flush has put behind us. */
  #failures = 0
  #failuresMended = 0
  #lastFailure: Error | undefined
  #lastSync: Promise<void> = Promise.resolve()
  #mending: Promise<void> | undefined
  /** The batch that is being written. Never rejects. */
  #applying: Promise<unknown> = Promise.resolve()

  constructor(options: LevelWriterOptions) {
    const { writeBufferBytes } = options
    this.#db = options.db
    this.#directory = options.directory
    this.#writeBufferBytes = writeBufferBytes
    this.#diskReserveBytes = options.diskReserveBytes ?? 2 * writeBufferBytes + MEND_MARGIN_BYTES
    this.#freeDiskBytes = options.freeDiskBytes
    this.#reads = options.reads
    this.#close = options.close
    this.#open = options.open
    this.#onReopened = options.onReopened
    this.#recent = new RecentWrites(writeBufferBytes)
    this.#throttle = new LevelThrottle(options.watch, options.clock, writeBufferBytes)
  }

  /** False after a failure that has not been mended yet. */
  get isWhole(): boolean {
    return this.#failures === this.#failuresMended
  }

  get stalledMs(): number {
    return this.#throttle.stalledMs
  }

  get memoryBytes(): number {
    return this.#recent.memoryBytes + (this.rescue?.memoryBytes ?? 0)
  }

  /** Rejects with `ColdStoreWriteFailed`, and then nothing of the batch is visible. */
  async write(batch: ColdBatch): Promise<void> {
    this.#assertOpen()
    await this.#stall()
    this.#assertOpen()
    await this.#mend()
    // Deletions may always pass: they are how room is made.
    if (batch.puts.length > 0) await this.#requireRoom(this.#diskReserveBytes)
    const operations: Operation[] = []
    this.#recent.add(batch)
    for (const put of batch.puts) {
      operations.push({ type: 'put', key: keyOf(put.id), value: put.bytes })
      if (put.id > this.#newestId) this.#newestId = put.id
    }
    for (const id of batch.deletes) operations.push({ type: 'del', key: keyOf(id) })
    await this.#apply(operations)
  }

  /** Deletes keys. Rejects as `write` does. */
  async delete(keys: readonly Buffer[]): Promise<void> {
    await this.#stall()
    await this.#mend()
    await this.#apply(keys.map((key) => ({ type: 'del', key })))
  }

  /** Rejects with `ColdStoreWriteFailed`: then earlier writes may be lost by a crash. A failure that can be mended is. */
  async sync(): Promise<void> {
    this.#assertOpen()
    this.#lastSync = this.#lastSync.then(
      () => this.#syncNow(),
      () => this.#syncNow(),
    )
    return this.#lastSync
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#lastSync.catch(() => undefined)
    await this.#mending?.catch(() => undefined)
  }

  async #apply(operations: Operation[]): Promise<void> {
    let bytesMax = 0
    for (const operation of operations) bytesMax += bufferBytesMax(operation)
    this.bufferedBytesMax += bytesMax
    this.#throttle.writing(bytesMax)
    this.#writingBytesMax = bytesMax
    const applying = this.#db.batch(operations)
    this.#applying = applying.catch(() => undefined)
    try {
      await applying
    } catch (failure) {
      throw this.#writeFailure(failure as Error)
    } finally {
      this.#writingBytesMax = 0
    }
  }

  #stall(): Promise<void> {
    return this.#throttle.stall(() => this.#closed)
  }

  async #syncNow(): Promise<void> {
    const deletes = this.#recent.deletes.length
    try {
      if (this.isWhole) await this.#makeDurable()
    } catch (failure) {
      if (this.isWhole) throw failure
    }
    await this.#mend()
    this.#recent.deletesSynced(deletes)
  }

  async #makeDurable(): Promise<void> {
    if (this.#canSyncLog()) {
      await this.#syncLog()
      this.logSyncs++
      // Asked again: writes that came meanwhile may have made LevelDB change the file under the synced one, or failed.
      if (this.#canSyncLog()) return
    }
    if (this.isWhole) await this.#flush()
  }

  #canSyncLog(): boolean {
    return this.isWhole && this.bufferedBytesMax <= this.#writeBufferBytes
  }

  /**
   * One synced write: the removal of a key that never was. Just above the newest id, so that it does not widen the
   * range of the table it ends up in (tables that overlap no other skip level 0).
   */
  async #syncLog(): Promise<void> {
    try {
      await this.#db.del(Buffer.concat([keyOf(this.#newestId), Buffer.of(0)]), { sync: true })
    } catch (failure) {
      throw this.#writeFailure(failure as Error)
    }
  }

  /** Moves the write buffer into a durable table and begins a new log file. */
  async #flush(): Promise<void> {
    const failures = this.#failures
    const bytesMax = this.bufferedBytesMax
    try {
      const newestLog = (await levelLogNumbers(this.#directory)).at(-1) ?? 0
      // A write under way may land on either side.
      this.bufferedBytesMax = this.#writingBytesMax
      await this.#db.compactRange(ABOVE_ALL[0], ABOVE_ALL[1])
      // LevelDB reports no failure of that; a write does, if its background work has failed.
      await this.#syncLog()
      const oldestLog = (await levelLogNumbers(this.#directory))[0] ?? 0
      if (oldestLog <= newestLog) throw this.#writeFailure(new Error('the write buffer could not be flushed'))
    } catch (failure) {
      this.bufferedBytesMax = Math.max(this.bufferedBytesMax, bytesMax + this.#writingBytesMax)
      throw failure instanceof ColdStoreWriteFailed ? failure : this.#writeFailure(failure as Error)
    }
    this.flushes++
    this.#throttle.flushed()
    this.#failuresMended = failures
  }

  /** After a failure: makes writing safe again, or throws. Nothing to do otherwise. */
  #mend(): Promise<void> {
    if (this.isWhole) return Promise.resolve()
    this.#mending ??= this.#mendNow().finally(() => {
      this.#mending = undefined
    })
    return this.#mending
  }

  /** Not tried before there is room for the write buffer: LevelDB takes no write any more once a flush has failed. */
  async #mendNow(): Promise<void> {
    const needed = Math.min(this.bufferedBytesMax, 2 * this.#writeBufferBytes) + MEND_MARGIN_BYTES
    await this.#requireRoom(needed)
    if (this.#isOpen() && this.rescue === undefined) {
      try {
        return await this.#flush()
      } catch {
        // What the reopening says if it fails too is newer.
      }
    }
    await this.#reopen()
  }

  async #requireRoom(needed: number): Promise<void> {
    const free = await this.#freeDiskBytes(this.#directory)
    if (free < needed) throw new ColdStoreWriteFailed(`No space left on device: ${free} bytes free, ${needed} needed`)
  }

  /**
   * LevelDB forgets a failure only so. Opening moves its logs into tables, durably, but of what a failed sync was to cover
   * they may have lost anything. So what LevelDB has in memory is kept here first, and what is missing then put back.
   * While the disk does not work LevelDB stays open: it reads on.
   */
  async #reopen(): Promise<void> {
    const failures = this.#failures
    const reason = this.#lastFailure as Error
    let restored: number
    await this.#reads.pause()
    try {
      await this.#applying
      await probeDirectory(this.#directory)
      this.rescue ??= await LevelRescue.of(this.#db, this.#recent.lowestId)
      await this.#close()
      await this.#open()
      restored = await this.rescue.restore(this.#db, this.#recent.deletes)
      this.bufferedBytesMax = 0
      await this.#flush()
    } catch (failure) {
      throw failure instanceof ColdStoreWriteFailed ? failure : this.#writeFailure(failure as Error)
    } finally {
      this.#reads.resume()
    }
    this.rescue = undefined
    this.#failuresMended = failures
    this.reopenings++
    this.#onReopened(reason, restored)
  }

  #writeFailure(failure: Error): ColdStoreWriteFailed {
    const { message } = failure instanceof ColdStoreUnusable ? failure : ((failure as LevelError).cause ?? failure)
    const reason = new ColdStoreWriteFailed(message, failure)
    this.#failures++
    this.#lastFailure = reason
    return reason
  }

  /** Not so while closed, or being opened again. */
  #isOpen(): boolean {
    return !this.#closed && this.#db.status === 'open'
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError()
  }
}
