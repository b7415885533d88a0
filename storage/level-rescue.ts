/**
 * What LevelDB has in memory, taken across its being closed and opened again. After a failed sync nobody knows what of its
 * log has reached the disk: opening may find all, a part, or nothing of it. LevelDB itself still reads all of it from
 * memory until it is closed (docs/decisions/0012-reopening-the-cold-store.md).
 */
import type { ClassicLevel } from 'classic-level'
import { idOf, keyOf } from './level-format.ts'

type Level = ClassicLevel<Buffer, Buffer>

const idsPerBatch = 4096
const bytesPerBatch = 1 << 20

export class LevelRescue {
  readonly #values: ReadonlyMap<number, Buffer>
  readonly memoryBytes: number

  private constructor(values: ReadonlyMap<number, Buffer>) {
    this.#values = values
    let bytes = 0
    for (const value of values.values()) bytes += value.length
    this.memoryBytes = bytes
  }

  /** Copies the record that says what the database is, and all values from `lowestId` on. Rejects when one cannot be read. */
  static async of(db: Level, lowestId: number | undefined): Promise<LevelRescue> {
    const values = new Map<number, Buffer>()
    const format = await db.get(keyOf(0))
    if (format !== undefined) values.set(0, format)
    if (lowestId === undefined) return new LevelRescue(values)
    for await (const [key, value] of db.iterator({ gte: keyOf(lowestId), fillCache: false })) values.set(idOf(key), value)
    return new LevelRescue(values)
  }

  /** Values by id: those that were rescued from here, the others from `read`, which is not asked when there are none. */
  async read(ids: readonly number[], read: (ids: readonly number[]) => Promise<(Buffer | undefined)[]>): Promise<(Buffer | undefined)[]> {
    const others = ids.filter((id) => !this.#values.has(id))
    const found = others.length === 0 ? [] : await read(others)
    let next = 0
    return ids.map((id) => this.#values.get(id) ?? found[next++])
  }

  /** Puts back what `db` has lost, and deletes `deletes` again. Not durable before a flush. Returns how many values were missing. */
  async restore(db: Level, deletes: readonly number[]): Promise<number> {
    const deleted = new Set(deletes)
    const missing: number[] = []
    const ids = [...this.#values.keys()]
    for (let at = 0; at < ids.length; at += idsPerBatch) {
      const some = ids.slice(at, at + idsPerBatch)
      const found = await db.getMany(some.map(keyOf), { fillCache: false })
      for (const [i, id] of some.entries()) if (found[i] === undefined && !deleted.has(id)) missing.push(id)
    }
    let puts: { type: 'put'; key: Buffer; value: Buffer }[] = []
    let bytes = 0
    for (const id of missing) {
      const value = this.#values.get(id) as Buffer
      puts.push({ type: 'put', key: keyOf(id), value })
      bytes += value.length
      if (bytes < bytesPerBatch) continue
      await db.batch(puts)
      puts = []
      bytes = 0
    }
    if (puts.length > 0) await db.batch(puts)
    for (let at = 0; at < deletes.length; at += idsPerBatch)
      await db.batch(deletes.slice(at, at + idsPerBatch).map((id) => ({ type: 'del', key: keyOf(id) })))
    return missing.length
  }
}
