/**
 * The values of a LevelDB cold store as of one moment: an explicit snapshot, read by an iterator or by id. Whoever reads most values by id does so
 * about in the order in which they were written, and then one walk over the range they lie in costs less than a look-up for each.
 */
import type { ClassicLevel, Iterator } from 'classic-level'
import type { Clock } from './clock.ts'
import { ColdReadQueue } from './cold-read-queue.ts'
import type { ColdCopy, ColdPut, ColdReadDone } from './cold-store.ts'
import { idOf, keyOf } from './level-format.ts'

/** Values that are read in one piece of work. */
const valuesPerRead = 256
/** Reads by id take one thread: those of the server's requests come first. */
const jobsMax = 1
/** Ids are read by a walk when there are at least so many, and it meets at most so many values for each. */
const idsPerWalkMin = 8
const metPerIdMax = 2

export class LevelCopy implements ColdCopy {
  readonly #db: ClassicLevel<Buffer, Buffer>
  readonly #snapshot: ReturnType<ClassicLevel<Buffer, Buffer>['snapshot']>
  readonly #queue: ColdReadQueue
  #iterator: Iterator<ClassicLevel<Buffer, Buffer>, Buffer, Buffer> | undefined
  #read: [Buffer, Buffer][] = []
  #at = 0
  #isAtEnd = false

  constructor(db: ClassicLevel<Buffer, Buffer>, clock: Clock) {
    this.#db = db
    this.#snapshot = db.snapshot()
    this.#queue = new ColdReadQueue({
      job: (ids) => this.#readJob(ids),
      afterTurn: (work) => clock.afterTurn(work),
      nowMs: () => clock.monotonicMs(),
      jobsMax,
      idsPerJobMax: valuesPerRead,
    })
  }

  async next(bytesMax: number): Promise<ColdPut[]> {
    this.#iterator ??= this.#db.iterator({ gte: keyOf(1), snapshot: this.#snapshot, fillCache: false, highWaterMarkBytes: 1 << 20 })
    const puts: ColdPut[] = []
    let bytes = 0
    for (;;) {
      if (this.#at === this.#read.length) {
        if (this.#isAtEnd) return puts
        this.#read = await this.#iterator.nextv(valuesPerRead)
        this.#at = 0
        this.#isAtEnd = this.#read.length === 0
        continue
      }
      const [key, value] = this.#read[this.#at]
      if (puts.length > 0 && bytes + value.length > bytesMax) return puts
      puts.push({ id: idOf(key), bytes: value })
      bytes += value.length
      this.#at++
    }
  }

  read(id: number): Promise<Buffer | undefined> {
    return this.#queue.read(id)
  }

  readTo(id: number, done: ColdReadDone): void {
    this.#queue.readTo(id, done)
  }

  readAtOnce(id: number): Buffer | undefined {
    return this.#db.getSync(keyOf(id), { snapshot: this.#snapshot })
  }

  readMany(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    return Promise.all(ids.map((id) => this.#queue.read(id)))
  }

  async close(): Promise<void> {
    await this.#iterator?.close()
    await this.#snapshot.close()
  }

  #readJob(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    if (isRun(ids)) return this.#walk(ids)
    return this.#db.getMany(ids.map(keyOf), { snapshot: this.#snapshot, fillCache: false })
  }

  async #walk(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
    const range = { gte: keyOf(ids[0]!), lte: keyOf(ids[ids.length - 1]!) }
    const met = await this.#db.iterator({ ...range, snapshot: this.#snapshot, fillCache: false, highWaterMarkBytes: 1 << 20 }).all()
    let at = 0
    return ids.map((id) => {
      while (at < met.length && idOf(met[at]![0]) < id) at++
      return at < met.length && idOf(met[at]![0]) === id ? met[at]![1] : undefined
    })
  }
}

/** Whether ids rise and lie close together. */
function isRun(ids: readonly number[]): boolean {
  const { length } = ids
  if (length < idsPerWalkMin || ids[length - 1]! - ids[0]! > length * metPerIdMax) return false
  for (let i = 1; i < length; i++) if (ids[i]! <= ids[i - 1]!) return false
  return true
}
