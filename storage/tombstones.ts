/** Deletions that are still to be recorded in the catalog, as bytes: database, LSN and key, one after the other. */
import { RecordBuffer } from '../engine/mutation/record-buffer.ts'
import { RecordReader } from '../engine/mutation/record-reader.ts'
import type { CatalogSink } from './no-catalog.ts'

export class Tombstones {
  readonly #pending = new RecordBuffer()
  readonly #reader = new RecordReader()
  #count = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#pending.bytes.length
  }

  add(db: number, lsn: number, key: Buffer, start: number, end: number): void {
    this.#pending.byte(db)
    this.#pending.u48(lsn)
    this.#pending.range(key, start, end)
    this.#count++
  }

  /** Takes over what another one holds. */
  take(from: Tombstones): void {
    if (from.#count === 0) return
    this.#pending.raw(from.#pending.bytes, 0, from.#pending.end)
    this.#count += from.#count
    from.#pending.clear()
    from.#count = 0
  }

  /** Records all of them in the catalog. */
  drain(catalog: CatalogSink): void {
    if (this.#count === 0) return
    const reader = this.#reader
    reader.open(this.#pending.bytes, 0, this.#pending.end)
    while (reader.at < reader.end) {
      const db = reader.byte()
      const lsn = reader.u48()
      reader.range()
      catalog.tombstone(db, lsn, reader.bytes, reader.start, reader.stop)
    }
    this.#pending.clear()
    this.#count = 0
  }
}
