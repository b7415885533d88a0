/** The values of a LevelDB cold store as of one moment: an explicit snapshot, read by an iterator. */
import type { ClassicLevel, Iterator } from 'classic-level'
import type { ColdCopy, ColdPut } from './cold-store.ts'
import { idOf, keyOf } from './level-format.ts'

/** Values that are read in one piece of work. */
const valuesPerRead = 256

export class LevelCopy implements ColdCopy {
  readonly #iterator: Iterator<ClassicLevel<Buffer, Buffer>, Buffer, Buffer>
  readonly #snapshot: ReturnType<ClassicLevel<Buffer, Buffer>['snapshot']>
  #read: [Buffer, Buffer][] = []
  #at = 0
  #isAtEnd = false

  constructor(db: ClassicLevel<Buffer, Buffer>) {
    this.#snapshot = db.snapshot()
    this.#iterator = db.iterator({ gte: keyOf(1), snapshot: this.#snapshot, fillCache: false, highWaterMarkBytes: 1 << 20 })
  }

  async next(bytesMax: number): Promise<ColdPut[]> {
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

  async close(): Promise<void> {
    await this.#iterator.close()
    await this.#snapshot.close()
  }
}
