/**
 * A cold store in memory, for tests and simulation. What LevelDB may do at a crash it does on demand: batches that no
 * `sync` covered are lost, except a prefix of them that chance picks; a batch survives whole or not at all.
 *
 * The contents live in a `MemoryColdDisk`, which outlives the stores opened on it: a restart is a new store over the
 * same disk. A crash ends every store opened before it: what they had under way never settles, as in a process that is gone.
 */
import type { Random } from '../engine/random.ts'
import type { Clock } from './clock.ts'
import type { ColdBatch, ColdCopy, ColdPut, ColdReadDone, ColdStore, ColdStoreStats } from './cold-store.ts'
import { closedError } from './cold-store.ts'

export type ColdOperation = 'read' | 'write' | 'sync'

export interface MemoryColdStoreOptions {
  readonly clock: Clock
  /** How long each operation takes. Asked once per operation. */
  readonly delayMs: (operation: ColdOperation) => number
}

/** What survives a restart, and the handle by which a test breaks things. */
export class MemoryColdDisk {
  /** What a reader sees now. */
  contents = new Map<number, Buffer>()
  #durable = new Map<number, Buffer>()
  /** Batches since the last sync, oldest first; `#applied` counts all batches ever, so that a sync knows which it covers. */
  #unsynced: ColdBatch[] = []
  #applied = 0
  #crashes = 0
  readonly #failures = new Map<ColdOperation, { code: string; left: number }>()

  /** Grows with each crash: a store opened earlier is dead. */
  get crashes(): number {
    return this.#crashes
  }

  /** Batches that a crash could lose. */
  get unsyncedBatches(): number {
    return this.#unsynced.length
  }

  /** Lets the next `times` operations of a kind fail with `code`; 0 mends it. A full disk takes deletions: LevelDB has a reserve for them. */
  fail(operation: ColdOperation, code: 'ENOSPC' | 'EIO', times = Number.POSITIVE_INFINITY): void {
    this.#failures.set(operation, { code, left: times })
  }

  /** Throws if a failure was ordered. `takesRoom`: whether the operation needs room on the disk. */
  check(operation: ColdOperation, takesRoom: boolean): void {
    const failure = this.#failures.get(operation)
    if (failure === undefined || failure.left === 0 || (failure.code === 'ENOSPC' && !takesRoom)) return
    failure.left--
    throw Object.assign(new Error(`${failure.code}: ${operation} failed on demand`), { code: failure.code })
  }

  /** Applies a batch, not durably. Copies the bytes. Returns the count of batches applied so far. */
  apply(batch: ColdBatch): number {
    const copy = { puts: batch.puts.map((put) => ({ id: put.id, bytes: Buffer.from(put.bytes) })), deletes: [...batch.deletes] }
    applyTo(this.contents, copy)
    this.#unsynced.push(copy)
    return ++this.#applied
  }

  get applied(): number {
    return this.#applied
  }

  /** Makes the first `applied` batches durable. */
  makeDurable(applied: number): void {
    const first = this.#applied - this.#unsynced.length
    for (const batch of this.#unsynced.splice(0, Math.max(0, applied - first))) applyTo(this.#durable, batch)
  }

  /** Loses unsynced batches but for a prefix of random length, and ends the stores opened so far. */
  crash(random: Random): void {
    const survivors = random.nextUint32() % (this.#unsynced.length + 1)
    this.makeDurable(this.#applied - this.#unsynced.length + survivors)
    this.#unsynced = []
    this.contents = new Map(this.#durable)
    this.#crashes++
  }
}

export class MemoryColdStore implements ColdStore {
  readonly #disk: MemoryColdDisk
  readonly #options: MemoryColdStoreOptions | undefined
  readonly #crashes: number
  #closed = false
  #reads = 0
  #writes = 0
  #deletes = 0

  /** Without options every operation takes one microtask. */
  constructor(disk = new MemoryColdDisk(), options?: MemoryColdStoreOptions) {
    this.#disk = disk
    this.#options = options
    this.#crashes = disk.crashes
  }

  async read(id: number): Promise<Buffer | undefined> {
    return (await this.readMany([id]))[0]
  }

  readTo(id: number, done: ColdReadDone): void {
    this.read(id).then(
      (bytes) => done(undefined, bytes),
      (failure: unknown) => done(failure, undefined),
    )
  }

  readAtOnce(id: number): Buffer | undefined {
    this.#reads++
    return copied(this.#disk.contents.get(id))
  }

  readMany(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    return this.#perform('read', () => {
      this.#reads += ids.length
      return ids.map((id) => copied(this.#disk.contents.get(id)))
    })
  }

  write(batch: ColdBatch): Promise<void> {
    const apply = (): void => {
      this.#disk.apply(batch)
      this.#writes += batch.puts.length
      this.#deletes += batch.deletes.length
    }
    return this.#perform('write', apply, batch.puts.length > 0)
  }

  sync(): Promise<void> {
    const covered = this.#disk.applied
    return this.#perform('sync', () => this.#disk.makeDurable(covered))
  }

  clearFrom(id: number): Promise<void> {
    const clear = (): void => {
      const deletes = [...this.#disk.contents.keys()].filter((each) => each >= id)
      this.#disk.apply({ puts: [], deletes })
      this.#deletes += deletes.length
    }
    return this.#perform('write', clear, false)
  }

  stats(): ColdStoreStats {
    let bytes = 0
    for (const value of this.#disk.contents.values()) bytes += 8 + value.length
    return {
      level0Files: 0,
      diskBytes: bytes,
      memoryBytes: 0,
      reads: this.#reads,
      writes: this.#writes,
      deletes: this.#deletes,
      reopenings: 0,
    }
  }

  copy(): ColdCopy {
    const left: ColdPut[] = [...this.#disk.contents].sort(([a], [b]) => a - b).map(([id, bytes]) => ({ id, bytes }))
    const next = (bytesMax: number): Promise<ColdPut[]> =>
      this.#perform('read', () => {
        let bytes = 0
        let count = 0
        while (count < left.length && (count === 0 || bytes + (left[count] as ColdPut).bytes.length <= bytesMax)) {
          bytes += (left[count++] as ColdPut).bytes.length
        }
        return left.splice(0, count)
      })
    const contents = new Map(this.#disk.contents)
    const readMany = (ids: readonly number[]): Promise<(Buffer | undefined)[]> =>
      this.#perform('read', () => ids.map((id) => copied(contents.get(id))))
    const read = async (id: number): Promise<Buffer | undefined> => (await readMany([id]))[0]
    const readTo = (id: number, done: ColdReadDone): void => {
      read(id).then(
        (bytes) => done(undefined, bytes),
        (failure: unknown) => done(failure, undefined),
      )
    }
    return { next, read, readTo, readMany, readAtOnce: (id) => copied(contents.get(id)), close: async () => undefined }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** Waits as long as the operation takes, then does it or throws what a test ordered. Never settles once the disk has crashed. */
  async #perform<T>(operation: ColdOperation, work: () => T, takesRoom = true): Promise<T> {
    if (this.#closed) throw closedError()
    const delayMs = this.#options?.delayMs(operation) ?? 0
    await new Promise<void>((resolve) => {
      if (this.#options === undefined || delayMs === 0) resolve()
      else this.#options.clock.after(delayMs, resolve)
    })
    if (this.#disk.crashes !== this.#crashes) return new Promise<T>(() => undefined)
    this.#disk.check(operation, takesRoom)
    return work()
  }
}

function applyTo(contents: Map<number, Buffer>, batch: ColdBatch): void {
  for (const put of batch.puts) contents.set(put.id, put.bytes)
  for (const id of batch.deletes) contents.delete(id)
}

function copied(bytes: Buffer | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes)
}
