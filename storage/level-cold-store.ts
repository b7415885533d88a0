/**
 * The cold store over LevelDB (classic-level). Key: the id as 8 bytes, big-endian, so that values arrive in key order;
 * value: the bytes as given. The record under id 0 says what the database is (docs/formats/cold-value.md).
 *
 * Durability (docs/decisions/0002-cold-store-durability.md). A synced write makes earlier writes durable only if they
 * stand in the same log file, and LevelDB changes to a new file, without syncing the old one, whenever its write buffer
 * is full. So `#bufferedBytesMax` bounds from above what the write buffer can hold: while that is below its size no
 * change can have happened and `sync` is one synced write; otherwise `sync` makes LevelDB flush the buffer into a table.
 *
 * A failed write may leave half a record in the log file, behind which LevelDB would find nothing after a crash. So after
 * a failure nothing is written or called durable before the buffer is flushed and a new log file begun. Where LevelDB
 * refuses that (a failed sync is final for it) it is closed and opened again, and what it had in memory is brought across
 * (level-rescue.ts): whatever fails, a write that has resolved stays readable.
 *
 * At most `readsInFlight` reads, one write and one sync hold a thread of the pool at a time.
 */
import { resolve } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { Clock } from './clock.ts'
import { ColdReadQueue } from './cold-read-queue.ts'
import type { ColdBatch, ColdCopy, ColdReadDone, ColdStore } from './cold-store.ts'
import { probeDirectory } from './disk-probe.ts'
import { LevelCopy } from './level-copy.ts'
import { freeDiskBytes, levelLogNumbers, prepareLevelDirectory } from './level-directory.ts'
import type { LevelError } from './level-failure.ts'
import { ColdStoreUnusable, ColdStoreWriteFailed, openFailure } from './level-failure.ts'
import type { Operation } from './level-figures.ts'
import { bufferBytesMax } from './level-figures.ts'
import { checkFormat, keyOf } from './level-format.ts'
import type { LevelColdStoreOptions, LevelColdStoreStats } from './level-options.ts'
import { LevelRescue } from './level-rescue.ts'
import { LevelWatch } from './level-watch.ts'
import { RecentWrites } from './recent-writes.ts'

/** A range above every key, so that compacting it does nothing but flush the write buffer. */
const ABOVE_ALL = [Buffer.of(0xff, 0xfe), Buffer.of(0xff, 0xff)] as const
/** LevelDB delays writes at 8 files in level 0 and stops them at 12. */
const LEVEL0_FILES_MAX = 6
const STALL_POLL_MS = 5
/** Then LevelDB may say itself what is wrong, e.g. that compaction has failed. */
const STALL_MS_MAX = 5000
const IDS_PER_READ_MAX = 16
const IDS_PER_CLEAR = 4096
/** Room for what LevelDB writes besides the values when it mends a failure. */
const MEND_MARGIN_BYTES = 8 << 20
/** Index and Bloom filter of an open table, as a share of its size. */
const TABLE_OVERHEAD_SHARE = 0.015
/** Directories that stores of this process have open. LevelDB itself lets its threads share one. */
const openDirectories = new Set<string>()

export class LevelColdStore implements ColdStore {
  readonly #db: ClassicLevel<Buffer, Buffer>
  readonly #directory: string
  readonly #clock: Clock
  readonly #writeBufferBytes: number
  readonly #tableBytes: number
  readonly #cacheBytes: number
  readonly #openTablesMax: number
  readonly #diskReserveBytes: number
  readonly #freeDiskBytes: (directory: string) => Promise<number>
  readonly #onReopened: (reason: Error, restored: number) => void
  readonly #queue: ColdReadQueue
  readonly #recent: RecentWrites
  readonly #watch: LevelWatch
  /** Files that may have come to level 0 since the watch was asked last, and bytes written since, of which one may be made. */
  #newFilesMax = LEVEL0_FILES_MAX
  #unwatchedBytesMax = 0
  /** What is to be brought into LevelDB once it is open again; undefined when there is nothing. */
  #rescue: LevelRescue | undefined
  #closed = false
  #reads = 0
  #readJobs = 0
  #writes = 0
  #deletes = 0
  #stalledMs = 0
  #logSyncs = 0
  #flushes = 0
  /** Failed writes and syncs so far, and how many of them a flush has put behind us. */
  #failures = 0
  #failuresMended = 0
  #lastFailure: Error | undefined
  #reopenings = 0
  #newestId = 0
  /** Upper bound of the bytes in LevelDB's write buffer since it was last known to be empty; the part of it still being written. */
  #bufferedBytesMax = 0
  #writingBytesMax = 0
  #lastSync: Promise<void> = Promise.resolve()
  #mending: Promise<void> | undefined
  /** The batch that is being written. Never rejects. */
  #applying: Promise<unknown> = Promise.resolve()

  private constructor(db: ClassicLevel<Buffer, Buffer>, directory: string, options: LevelColdStoreOptions) {
    this.#db = db
    this.#directory = directory
    this.#clock = options.clock
    this.#writeBufferBytes = options.writeBufferBytes ?? 64 << 20
    this.#tableBytes = options.tableBytes ?? 32 << 20
    this.#cacheBytes = options.cacheBytes ?? 8 << 20
    this.#openTablesMax = options.openTablesMax ?? 4096
    this.#diskReserveBytes = options.diskReserveBytes ?? 2 * this.#writeBufferBytes + MEND_MARGIN_BYTES
    this.#freeDiskBytes = options.freeDiskBytes ?? freeDiskBytes
    this.#onReopened = options.onReopened ?? (() => undefined)
    this.#recent = new RecentWrites(this.#writeBufferBytes)
    this.#watch = new LevelWatch(directory)
    this.#queue = new ColdReadQueue({
      job: (ids) => this.#readJob(ids),
      afterTurn: (work) => options.clock.afterTurn(work),
      nowMs: () => options.clock.monotonicMs(),
      jobsMax: options.readsInFlight ?? 3,
      idsPerJobMax: IDS_PER_READ_MAX,
    })
  }

  /** Opens the store in a directory of its own, making both when missing. Throws `ColdStoreUnusable`. */
  static async open(directory: string, options: LevelColdStoreOptions): Promise<LevelColdStore> {
    await prepareLevelDirectory(directory)
    const path = resolve(directory)
    if (openDirectories.has(path)) throw new ColdStoreUnusable(directory, 'locked', 'is in use by this process')
    openDirectories.add(path)
    try {
      return await LevelColdStore.#open(directory, options)
    } catch (failure) {
      openDirectories.delete(path)
      throw failure
    }
  }

  static async #open(directory: string, options: LevelColdStoreOptions): Promise<LevelColdStore> {
    const db = new ClassicLevel<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
    const store = new LevelColdStore(db, directory, options)
    try {
      await store.#openLevel(true)
      await checkFormat(db, directory)
    } catch (failure) {
      await store.#watch.end()
      await db.close()
      throw failure
    }
    return store
  }

  /** Readers of one id may share the Buffer: it must not be changed. */
  read(id: number): Promise<Buffer | undefined> {
    if (this.#closed) return Promise.reject(closedError())
    this.#reads++
    return this.#queue.read(id)
  }

  readTo(id: number, done: ColdReadDone): void {
    if (this.#closed) {
      void Promise.resolve().then(() => done(closedError(), undefined))
      return
    }
    this.#reads++
    this.#queue.readTo(id, done)
  }

  readMany(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    return Promise.all(ids.map((id) => this.read(id)))
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
    this.#writes += batch.puts.length
    this.#deletes += batch.deletes.length
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

  copy(): ColdCopy {
    this.#assertOpen()
    return new LevelCopy(this.#db, this.#clock)
  }

  async clearFrom(id: number): Promise<void> {
    let from = keyOf(id)
    while (true) {
      this.#assertOpen()
      const keys = await this.#db.keys({ gte: from, limit: IDS_PER_CLEAR, fillCache: false }).all()
      if (keys.length === 0) return
      await this.#stall()
      await this.#mend()
      await this.#apply(keys.map((key) => ({ type: 'del', key })))
      this.#deletes += keys.length
      from = keys[keys.length - 1]!
    }
  }

  stats(): LevelColdStoreStats {
    void this.#watch.refresh()
    const { level0Files, tableBytes: tables } = this.#watch.figures
    const openTables = Math.min(tables, this.#openTablesMax * this.#tableBytes)
    return {
      level0Files,
      diskBytes: tables + this.#bufferedBytesMax,
      memoryBytes: this.#memoryBytes + Math.ceil(openTables * TABLE_OVERHEAD_SHARE),
      reads: this.#reads,
      writes: this.#writes,
      deletes: this.#deletes,
      stalledMs: this.#stalledMs,
      readJobs: this.#readJobs,
      readsWaiting: this.#queue.waiting,
      logSyncs: this.#logSyncs,
      flushes: this.#flushes,
      writable: this.#failures === this.#failuresMended,
      reopenings: this.#reopenings,
    }
  }

  /** Waits for what is under way. Does not sync. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#lastSync.catch(() => undefined)
    await this.#mending?.catch(() => undefined)
    await this.#watch.end()
    await this.#db.close()
    openDirectories.delete(resolve(this.#directory))
  }

  get #memoryBytes(): number {
    return this.#cacheBytes + 2 * this.#writeBufferBytes + this.#recent.memoryBytes + (this.#rescue?.memoryBytes ?? 0)
  }

  /** Only a start may make a new database: one that was there and is gone is a failure. */
  async #openLevel(mayCreate: boolean): Promise<void> {
    const options = {
      createIfMissing: mayCreate,
      compression: false,
      writeBufferSize: this.#writeBufferBytes,
      maxFileSize: this.#tableBytes,
      cacheSize: this.#cacheBytes,
      maxOpenFiles: this.#openTablesMax,
      blockSize: 4096,
      multithreading: true,
    }
    try {
      await this.#db.open(options)
    } catch (failure) {
      throw openFailure(this.#directory, failure as LevelError)
    }
    await this.#watch.open()
  }

  readAtOnce(id: number): Buffer | undefined {
    if (this.#rescue !== undefined) throw new Error('the cold store is being opened again')
    this.#readJobs++
    return this.#db.getSync(keyOf(id))
  }

  async #readJob(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    this.#readJobs++
    if (this.#rescue !== undefined) return this.#rescue.read(ids, (others) => this.#db.getMany(others.map(keyOf)))
    if (ids.length === 1) return [await this.#db.get(keyOf(ids[0]!))]
    return this.#db.getMany(ids.map(keyOf))
  }

  async #apply(operations: Operation[]): Promise<void> {
    let bytesMax = 0
    for (const operation of operations) bytesMax += bufferBytesMax(operation)
    this.#bufferedBytesMax += bytesMax
    this.#unwatchedBytesMax += bytesMax
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

  /** Waits while level 0 is nearly full. LevelDB is asked only when it may have become so. */
  async #stall(): Promise<void> {
    const filesMax = this.#watch.figures.level0Files + this.#newFilesMax + Math.floor(this.#unwatchedBytesMax / this.#writeBufferBytes)
    if (filesMax < LEVEL0_FILES_MAX) return
    if ((await this.#level0Files()) < LEVEL0_FILES_MAX) return
    const from = this.#clock.monotonicMs()
    let stalledMs = 0
    while (!this.#closed && stalledMs < STALL_MS_MAX && (await this.#level0Files()) >= LEVEL0_FILES_MAX) {
      await new Promise<void>((resolve) => this.#clock.after(STALL_POLL_MS, resolve))
      stalledMs = this.#clock.monotonicMs() - from
    }
    this.#stalledMs += stalledMs
  }

  async #syncNow(): Promise<void> {
    const deletes = this.#recent.deletes.length
    try {
      if (this.#failures === this.#failuresMended) await this.#makeDurable()
    } catch (failure) {
      if (this.#failures === this.#failuresMended) throw failure
    }
    await this.#mend()
    this.#recent.deletesSynced(deletes)
  }

  async #makeDurable(): Promise<void> {
    if (this.#canSyncLog()) {
      await this.#syncLog()
      this.#logSyncs++
      // Asked again: writes that came meanwhile may have made LevelDB change the file under the synced one, or failed.
      if (this.#canSyncLog()) return
    }
    if (this.#failures === this.#failuresMended) await this.#flush()
  }

  #canSyncLog(): boolean {
    return this.#failures === this.#failuresMended && this.#bufferedBytesMax <= this.#writeBufferBytes
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
    const bytesMax = this.#bufferedBytesMax
    try {
      const newestLog = (await levelLogNumbers(this.#directory)).at(-1) ?? 0
      // A write under way may land on either side.
      this.#bufferedBytesMax = this.#writingBytesMax
      await this.#db.compactRange(ABOVE_ALL[0], ABOVE_ALL[1])
      // LevelDB reports no failure of that; a write does, if its background work has failed.
      await this.#syncLog()
      const oldestLog = (await levelLogNumbers(this.#directory))[0] ?? 0
      if (oldestLog <= newestLog) throw this.#writeFailure(new Error('the write buffer could not be flushed'))
    } catch (failure) {
      this.#bufferedBytesMax = Math.max(this.#bufferedBytesMax, bytesMax + this.#writingBytesMax)
      throw failure instanceof ColdStoreWriteFailed ? failure : this.#writeFailure(failure as Error)
    }
    this.#flushes++
    this.#newFilesMax++
    this.#failuresMended = failures
  }

  /** After a failure: makes writing safe again, or throws. Nothing to do otherwise. */
  #mend(): Promise<void> {
    if (this.#failures === this.#failuresMended) return Promise.resolve()
    this.#mending ??= this.#mendNow().finally(() => {
      this.#mending = undefined
    })
    return this.#mending
  }

  /** Not tried before there is room for the write buffer: LevelDB takes no write any more once a flush has failed. */
  async #mendNow(): Promise<void> {
    const needed = Math.min(this.#bufferedBytesMax, 2 * this.#writeBufferBytes) + MEND_MARGIN_BYTES
    await this.#requireRoom(needed)
    if (this.#isOpen() && this.#rescue === undefined) {
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
    await this.#queue.pause()
    try {
      await this.#applying
      await probeDirectory(this.#directory)
      this.#rescue ??= await LevelRescue.of(this.#db, this.#recent.lowestId)
      await this.#watch.close()
      await this.#db.close()
      await this.#openLevel(false)
      restored = await this.#rescue.restore(this.#db, this.#recent.deletes)
      this.#bufferedBytesMax = 0
      await this.#flush()
    } catch (failure) {
      throw failure instanceof ColdStoreWriteFailed ? failure : this.#writeFailure(failure as Error)
    } finally {
      this.#queue.resume()
    }
    this.#rescue = undefined
    this.#failuresMended = failures
    this.#reopenings++
    this.#onReopened(reason, restored)
  }

  #writeFailure(failure: Error): ColdStoreWriteFailed {
    const { message } = failure instanceof ColdStoreUnusable ? failure : ((failure as LevelError).cause ?? failure)
    const reason = new ColdStoreWriteFailed(message, failure)
    this.#failures++
    this.#lastFailure = reason
    return reason
  }

  async #level0Files(): Promise<number> {
    // What is in the write buffer becomes a file sooner or later.
    this.#newFilesMax = 1
    this.#unwatchedBytesMax = 0
    await this.#watch.renew()
    return this.#watch.figures.level0Files
  }

  /** Not so while closed, or being opened again. */
  #isOpen(): boolean {
    return !this.#closed && this.#db.status === 'open'
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError()
  }
}

function closedError(): Error {
  return Object.assign(new Error('the cold store is closed'), { code: 'CLOSED' })
}
