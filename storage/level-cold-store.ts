/**
 * The cold store over LevelDB (classic-level). Key: the id as 8 bytes, big-endian, so that values arrive in key order;
 * value: the bytes as given. The record under id 0 says what the database is (docs/formats/cold-value.md).
 *
 * Here it is opened, read and closed; `LevelWriter` writes, makes durable what was written, and mends failures.
 * At most `readsInFlight` reads, one write and one sync hold a thread of the pool at a time. While reads wait for no disk, a thread of our own
 * does them (level-thread.ts).
 */
import { resolve } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { Clock } from './clock.ts'
import type { TimedReads } from './cold-read-queue.ts'
import { ColdReadQueue } from './cold-read-queue.ts'
import type { ColdBatch, ColdCopy, ColdReadDone, ColdStore } from './cold-store.ts'
import { closedError } from './cold-store.ts'
import { LevelCopy } from './level-copy.ts'
import { freeDiskBytes, prepareLevelDirectory } from './level-directory.ts'
import type { LevelError } from './level-failure.ts'
import { ColdStoreUnusable, openFailure } from './level-failure.ts'
import { checkFormat, keyOf } from './level-format.ts'
import type { LevelColdStoreOptions, LevelColdStoreStats } from './level-options.ts'
import { batchIdsMax, LevelThread } from './level-thread.ts'
import { LevelWatch } from './level-watch.ts'
import { LevelWriter } from './level-writer.ts'

const IDS_PER_READ_MAX = 16
const IDS_PER_CLEAR = 4096
/** Index and Bloom filter of an open table, as a share of its size. */
const TABLE_OVERHEAD_SHARE = 0.015
/** Directories that stores of this process have open. LevelDB itself lets its threads share one. */
const openDirectories = new Set<string>()

export class LevelColdStore implements ColdStore {
  readonly #db: ClassicLevel<Buffer, Buffer>
  readonly #directory: string
  readonly #writeBufferBytes: number
  readonly #clock: Clock
  readonly #tableBytes: number
  readonly #cacheBytes: number
  readonly #openTablesMax: number
  readonly #queue: ColdReadQueue
  readonly #thread: LevelThread
  readonly #watch: LevelWatch
  readonly #writer: LevelWriter
  #closed = false
  #reads = 0
  #readJobs = 0
  #writes = 0
  #deletes = 0

  private constructor(db: ClassicLevel<Buffer, Buffer>, directory: string, options: LevelColdStoreOptions) {
    this.#db = db
    this.#directory = directory
    this.#writeBufferBytes = options.writeBufferBytes ?? 64 << 20
    this.#clock = options.clock
    this.#tableBytes = options.tableBytes ?? 32 << 20
    this.#cacheBytes = options.cacheBytes ?? 8 << 20
    this.#openTablesMax = options.openTablesMax ?? 4096
    this.#thread = new LevelThread(directory)
    this.#watch = new LevelWatch(this.#thread)
    this.#queue = new ColdReadQueue({
      job: (ids) => this.#readJob(ids),
      afterTurn: (work) => options.clock.afterTurn(work),
      nowMs: () => options.clock.monotonicMs(),
      jobsMax: options.readsInFlight ?? 3,
      idsPerJobMax: IDS_PER_READ_MAX,
      quick: { job: (ids) => this.#quickJob(ids), idsPerJobMax: batchIdsMax },
    })
    this.#writer = new LevelWriter({
      db,
      directory,
      clock: options.clock,
      writeBufferBytes: this.#writeBufferBytes,
      diskReserveBytes: options.diskReserveBytes,
      freeDiskBytes: options.freeDiskBytes ?? freeDiskBytes,
      watch: this.#watch,
      reads: this.#queue,
      close: () => this.#closeLevel(),
      open: () => this.#openLevel(false),
      onReopened: options.onReopened ?? (() => undefined),
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
      await store.#thread.end()
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
    await this.#writer.write(batch)
    this.#writes += batch.puts.length
    this.#deletes += batch.deletes.length
  }

  /** Rejects with `ColdStoreWriteFailed`: then earlier writes may be lost by a crash. A failure that can be mended is. */
  sync(): Promise<void> {
    return this.#writer.sync()
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
      await this.#writer.delete(keys)
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
      diskBytes: tables + this.#writer.bufferedBytesMax,
      memoryBytes: this.#memoryBytes + Math.ceil(openTables * TABLE_OVERHEAD_SHARE),
      reads: this.#reads,
      writes: this.#writes,
      deletes: this.#deletes,
      stalledMs: this.#writer.stalledMs,
      readJobs: this.#readJobs,
      readsWaiting: this.#queue.waiting,
      logSyncs: this.#writer.logSyncs,
      flushes: this.#writer.flushes,
      writable: this.#writer.isWhole,
      reopenings: this.#writer.reopenings,
    }
  }

  /** Waits for what is under way. Does not sync. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writer.close()
    await this.#thread.end()
    await this.#db.close()
    openDirectories.delete(resolve(this.#directory))
  }

  get #memoryBytes(): number {
    return this.#cacheBytes + 2 * this.#writeBufferBytes + this.#writer.memoryBytes
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
    await this.#thread.open()
  }

  async #closeLevel(): Promise<void> {
    await this.#thread.close()
    await this.#db.close()
  }

  readAtOnce(id: number): Buffer | undefined {
    if (this.#writer.rescue !== undefined) throw new Error('the cold store is being opened again')
    this.#readJobs++
    return this.#db.getSync(keyOf(id))
  }

  async #readJob(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    this.#readJobs++
    const { rescue } = this.#writer
    if (rescue !== undefined) return rescue.read(ids, (others) => this.#db.getMany(others.map(keyOf)))
    if (ids.length === 1) return [await this.#db.get(keyOf(ids[0]!))]
    return this.#db.getMany(ids.map(keyOf))
  }

  #quickJob(ids: readonly number[]): Promise<TimedReads> | undefined {
    const reading = this.#writer.rescue === undefined ? this.#thread.read(ids, (others) => this.#db.getMany(others.map(keyOf))) : undefined
    if (reading !== undefined) this.#readJobs++
    return reading
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError()
  }
}
