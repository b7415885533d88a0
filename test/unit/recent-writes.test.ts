import { describe, expect, it } from 'vitest'
import { RecentWrites } from '../../storage/recent-writes.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

const overheadMax = 200

/** LevelDB's two buffers at their fullest: the second is always just one write away from being a table. */
class Buffers {
  #filling: number[] = []
  #full: number[] = []
  #filled = 0
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  write(ids: readonly number[], bytes: number): void {
    if (this.#filled > this.#size) {
      this.#full = this.#filling
      this.#filling = []
      this.#filled = 0
    }
    this.#filling.push(...ids)
    this.#filled += bytes
  }

  get lowestId(): number {
    return Math.min(...this.#full, ...this.#filling)
  }
}

describe('recent writes', () => {
  it('include all that LevelDB can have in memory, and not much more', () => {
    const random = new SeededRandom(7)
    for (let run = 0; run < 30; run++) {
      const size = 10_000 + (random.nextUint32() % 100_000)
      const recent = new RecentWrites(size)
      const buffers = new Buffers(size)
      let id = 1
      let written = 0
      for (let i = 0; i < 2000; i++) {
        const puts = Array.from({ length: 1 + (random.nextUint32() % 5) }, () => ({
          id: id++,
          bytes: Buffer.alloc(random.nextUint32() % 3000),
        }))
        const bytes = puts.reduce((sum, put) => sum + put.bytes.length + 8, 0)
        recent.add({ puts, deletes: [] })
        buffers.write(
          puts.map((put) => put.id),
          bytes + puts.length * (random.nextUint32() % overheadMax),
        )
        written += bytes
        expect(recent.lowestId).toBeLessThanOrEqual(buffers.lowestId)
      }
      const share = (id - (recent.lowestId as number)) / id
      expect(share * written).toBeLessThan(2 * size + 5 * 15_000)
    }
  })

  it('remember deletions until a sync has covered them', () => {
    const recent = new RecentWrites(1000)
    expect(recent.lowestId).toBeUndefined()
    recent.add({ puts: [], deletes: [1, 2] })
    const before = recent.deletes.length
    recent.add({ puts: [], deletes: [3] })
    recent.deletesSynced(before)
    expect([recent.deletes, recent.lowestId, recent.memoryBytes]).toEqual([[3], undefined, 8])
  })
})
